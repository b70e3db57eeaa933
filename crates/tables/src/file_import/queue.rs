//! Imports as the database hands them out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use supabase::{DatabaseError, Supabase};
use uuid::Uuid;

use super::row_problem::RowProblem;

/// How long a reader that dies is waited for: longer than a batch takes in the worst case.
const LEASE_SECONDS: u32 = 60;

/// The functions of the database that a kind of import goes through. All take `id`, and the holder of the lease.
#[derive(Debug, Clone, Copy)]
pub struct ImportFunctions {
    /// How they call what is imported into.
    pub id: &'static str,
    /// The function that hands out an import.
    pub claim: &'static str,
    /// The function that records a batch of rows.
    pub record: &'static str,
    /// The function that gives an import back.
    pub release: &'static str,
    /// The function that ends an import.
    pub finish: &'static str,
    /// The function that lists the rows that were not taken, for people: without a holder.
    pub errors: &'static str,
}

/// One reader's view of what is to be imported.
#[derive(Clone)]
pub(super) struct ImportQueue {
    supabase: Supabase,
    functions: ImportFunctions,
    holder: Uuid,
}

/// An import that is this reader's for the time of the lease.
#[derive(Debug, Clone, Deserialize)]
pub struct Import {
    /// What it fills.
    #[serde(alias = "list_id")]
    pub(crate) id: Uuid,
    pub(super) file_path: String,
    /// Where numbers without a country code are from.
    pub country: String,
    /// What was chosen of the columns, where that can be.
    #[serde(default)]
    pub mapping: Value,
    /// The last row that has been recorded.
    pub(super) done_line: u32,
    /// How often somebody has begun here.
    pub(super) idle_claims: u32,
}

/// Rows of a file that follow each other.
#[derive(Debug)]
pub(super) struct Batch<E> {
    pub(super) entries: Vec<E>,
    pub(super) problems: Vec<RowProblem>,
    /// The last row that was read.
    pub(super) through_line: u32,
    pub(super) rows: usize,
}

impl<E> Default for Batch<E> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            problems: Vec::new(),
            through_line: 0,
            rows: 0,
        }
    }
}

impl ImportQueue {
    pub(super) fn new(supabase: Supabase, functions: ImportFunctions) -> Self {
        Self {
            supabase,
            functions,
            holder: Uuid::new_v4(),
        }
    }

    /// The import of `id`, or whichever has waited longest.
    pub(super) async fn claim(&self, id: Option<Uuid>) -> Result<Option<Import>, DatabaseError> {
        let further = json!({ "lease_seconds": LEASE_SECONDS });
        self.call(self.functions.claim, id, further).await
    }

    /// False when the import is another reader's by now, or gone. Safe to repeat.
    pub(super) async fn record<E: Serialize + Sync>(
        &self,
        id: Uuid,
        after_line: u32,
        batch: &Batch<E>,
    ) -> Result<bool, DatabaseError> {
        let further = json!({
            "after_line": after_line, "through_line": batch.through_line, "entries": batch.entries,
            "errors": batch.problems, "lease_seconds": LEASE_SECONDS,
        });
        self.call(self.functions.record, Some(id), further).await
    }

    /// For another reader to go on at once.
    pub(super) async fn release(&self, id: Uuid) -> Result<(), DatabaseError> {
        self.call(self.functions.release, Some(id), json!({})).await
    }

    /// The file has been read, or cannot be. Answers with where the file lies, if it is not needed any more.
    pub(super) async fn finish(
        &self,
        id: Uuid,
        failure: Option<&str>,
    ) -> Result<Option<String>, DatabaseError> {
        let further = json!({ "failure": failure });
        self.call(self.functions.finish, Some(id), further).await
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        function: &'static str,
        id: Option<Uuid>,
        further: Value,
    ) -> Result<T, DatabaseError> {
        let mut arguments = Map::new();
        if let Value::Object(further) = further {
            arguments = further;
        }
        arguments.insert(self.functions.id.to_owned(), json!(id));
        arguments.insert("holder".to_owned(), json!(self.holder));
        self.supabase.as_service().rpc(function, &arguments).await
    }
}

/// Files that no import will read.
pub async fn stale_files(supabase: &Supabase) -> Result<Vec<String>, DatabaseError> {
    supabase.as_service().rpc("stale_import_files", &json!({})).await
}
