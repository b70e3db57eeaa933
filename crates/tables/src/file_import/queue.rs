//! The queue of imports in the database.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use supabase::{DatabaseError, Supabase};
use uuid::Uuid;

use super::row_problem::RowProblem;

/// The lease of a reader, which is longer than a batch takes in the worst case.
const LEASE_SECONDS: u32 = 60;

/// The database functions for one kind of import. All take the id of the import and the holder of the lease.
#[derive(Debug, Clone, Copy)]
pub struct ImportFunctions {
    /// The name of their argument for the id.
    pub id: &'static str,
    /// The function that claims an import.
    pub claim: &'static str,
    /// The function that records a batch of rows.
    pub record: &'static str,
    /// The function that releases an import.
    pub release: &'static str,
    /// The function that ends an import.
    pub finish: &'static str,
    /// The function that lists the rows that were not imported, for people. It takes no holder.
    pub errors: &'static str,
    /// The table that it reads.
    pub errors_table: &'static str,
}

/// The queue for one reader.
#[derive(Clone)]
pub(super) struct ImportQueue {
    supabase: Supabase,
    functions: ImportFunctions,
    holder: Uuid,
}

/// An import that this reader holds for the time of the lease.
#[derive(Debug, Clone, Deserialize)]
pub struct Import {
    /// The id of the import.
    #[serde(alias = "list_id")]
    pub(crate) id: Uuid,
    pub(super) file_path: String,
    /// The country of numbers without a country code.
    pub country: String,
    /// The mapping of columns that the request chose, if it could.
    #[serde(default)]
    pub mapping: Value,
    /// The last row that has been recorded.
    pub(super) done_line: u32,
}

/// Consecutive rows of a file.
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

    /// Claims the import `id`, or the import that has waited longest.
    pub(super) async fn claim(&self, id: Option<Uuid>) -> Result<Option<Import>, DatabaseError> {
        let further = json!({ "lease_seconds": LEASE_SECONDS });
        self.call(self.functions.claim, id, further).await
    }

    /// Records a batch. False if another reader holds the import now, or it was deleted. Safe to repeat.
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

    /// Releases the import, so that another reader can continue at once.
    pub(super) async fn release(&self, id: Uuid) -> Result<(), DatabaseError> {
        self.call(self.functions.release, Some(id), json!({})).await
    }

    /// Ends an import whose file has been read or cannot be read. Returns the path of the file if it is no longer
    /// needed.
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
