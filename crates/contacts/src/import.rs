//! `/api/crm/contacts/import`: imports contacts from files.

mod columns;
pub(crate) mod progress;
pub(crate) mod submission;

use serde::Deserialize;

use columns::{Column, Columns, Entry};
use crm_core::contract::Routes;
use tables::file_import::row_problem::RowProblem;
use tables::file_import::{FileImport, Import, ImportFunctions};
use tables::table_file::Row;

/// The import of files into contacts.
pub struct ContactImport;

impl FileImport for ContactImport {
    type Entry = Entry;
    type Columns = Columns;
    const FUNCTIONS: ImportFunctions = ImportFunctions {
        id: "import_id",
        claim: "claim_contact_import",
        record: "record_contact_import",
        release: "release_contact_import",
        finish: "finish_contact_import",
        errors: "list_contact_import_errors",
        errors_table: "contact_import_errors",
    };

    fn columns(first: &Row, import: &Import) -> Option<(Columns, u32)> {
        let mapping = Vec::<Column>::deserialize(&import.mapping).ok()?;
        Some((Columns::new(mapping)?, first.line))
    }

    fn read(columns: &Columns, row: &Row, import: &Import) -> Result<Entry, Vec<RowProblem>> {
        columns.read(row, &import.country)
    }
}

/// `/api/crm/contacts/import`.
pub fn router() -> Routes {
    progress::router().merge(submission::router())
}
