//! Files that become rows of the database: recipient lists and contacts.
//!
//! A file lies in Storage while it is read, in batches; each is recorded in a transaction that also says how far the file
//! has been read. A reader that dies costs nothing: cron goes on where it stopped. [`FileImport`] is what differs.

pub mod column_names;
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
    /// A good row, as the database takes it.
    type Entry: Serialize + Send + Sync + 'static;
    /// What the columns of a file hold.
    type Columns: Send + 'static;
    /// Where its imports wait.
    const FUNCTIONS: ImportFunctions;

    /// Reads the first row. Answers also with the line the data begin behind; nothing if this is no such table.
    fn columns(first: &Row, import: &Import) -> Option<(Self::Columns, u32)>;

    /// Reads a row, or tells everything that is wrong with it.
    fn read(columns: &Self::Columns, row: &Row, import: &Import) -> Result<Self::Entry, Vec<RowProblem>>;
}
