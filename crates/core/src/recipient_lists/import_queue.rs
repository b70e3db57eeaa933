//! Imports as the database hands them out.

use serde::Deserialize;
use serde_json::{Value, json};
use supabase::{DatabaseError, Supabase};
use uuid::Uuid;

use super::row_problem::RowProblem;
use super::row_reader::Entry;

/// How long a reader that dies is waited for: longer than a batch takes in the worst case.
const LEASE_SECONDS: u32 = 60;

/// One reader's view of what is to be imported.
#[derive(Clone)]
pub(super) struct ImportQueue {
    supabase: Supabase,
    holder: Uuid,
}

/// An import that is this reader's for the time of the lease.
#[derive(Debug, Deserialize)]
pub(super) struct Import {
    pub(super) list_id: Uuid,
    pub(super) file_path: String,
    pub(super) country: String,
    /// The last row that has been recorded.
    pub(super) done_line: u32,
    /// How often somebody has begun here.
    pub(super) idle_claims: u32,
}

/// Rows of a file that follow each other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<RowProblem>,
    /// The last row that was read.
    pub(super) through_line: u32,
    pub(super) rows: usize,
}

impl ImportQueue {
    pub(super) fn new(supabase: Supabase) -> Self {
        Self {
            supabase,
            holder: Uuid::new_v4(),
        }
    }

    /// The import of `list`, or whichever has waited longest.
    pub(super) async fn claim(&self, list: Option<Uuid>) -> Result<Option<Import>, DatabaseError> {
        let arguments = json!({ "holder": self.holder, "lease_seconds": LEASE_SECONDS, "list_id": list });
        self.call("claim_recipient_import", &arguments).await
    }

    /// False when the import is another reader's by now, or gone. Safe to repeat.
    pub(super) async fn record(
        &self,
        list: Uuid,
        after_line: u32,
        batch: &Batch,
    ) -> Result<bool, DatabaseError> {
        let arguments = json!({
            "list_id": list, "holder": self.holder, "after_line": after_line, "through_line": batch.through_line,
            "entries": batch.entries, "errors": batch.problems, "lease_seconds": LEASE_SECONDS,
        });
        self.call("record_recipient_import", &arguments).await
    }

    /// For another reader to go on at once.
    pub(super) async fn release(&self, list: Uuid) -> Result<(), DatabaseError> {
        let arguments = json!({ "list_id": list, "holder": self.holder });
        self.call("release_recipient_import", &arguments).await
    }

    /// The file has been read, or cannot be. Answers with where the file lies, if it is not needed any more.
    pub(super) async fn finish(
        &self,
        list: Uuid,
        failure: Option<&str>,
    ) -> Result<Option<String>, DatabaseError> {
        let arguments = json!({ "list_id": list, "holder": self.holder, "failure": failure });
        self.call("finish_recipient_import", &arguments).await
    }

    /// Files that no import will read.
    pub(super) async fn stale_files(&self) -> Result<Vec<String>, DatabaseError> {
        self.call("stale_import_files", &json!({})).await
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        function: &'static str,
        arguments: &Value,
    ) -> Result<T, DatabaseError> {
        self.supabase.as_service().rpc(function, arguments).await
    }
}
