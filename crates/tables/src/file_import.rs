//! Imports of files into the database: recipient lists and contacts.
//!
//! A file is kept in Storage while it is read in batches. Each batch is recorded in a transaction that also stores how
//! far the file has been read. If a reader dies, cron continues where it stopped. [`FileImport`] describes what differs
//! between imports.

pub mod column_names;
pub mod failure;
mod file;
pub mod form;
mod import_address;
pub mod inspection;
mod new_file;
mod queue;
mod reading;
pub mod row_error;
pub mod row_problem;

use serde::Serialize;

pub use file::forget;
pub use import_address::{ImportAddress, new_address};
pub use new_file::{MAX_BODY, NewFile, kept_name};
pub use queue::{Import, ImportFunctions, stale_files};
pub use reading::{Ending, run};

use crate::table_file::Row;
use row_problem::RowProblem;

/// One kind of import.
pub trait FileImport: 'static {
    /// A correct row, as the database expects it.
    type Entry: Serialize + Send + Sync + 'static;
    /// The mapping of a file's columns.
    type Columns: Send + 'static;
    /// The database functions of its queue.
    const FUNCTIONS: ImportFunctions;

    /// Reads the first row. Returns the mapping of the columns, and the line after which the data begins. None if the
    /// table has no usable columns.
    fn columns(first: &Row, import: &Import) -> Option<(Self::Columns, u32)>;

    /// Reads a row, or returns all its problems.
    fn read(columns: &Self::Columns, row: &Row, import: &Import) -> Result<Self::Entry, Vec<RowProblem>>;
}
