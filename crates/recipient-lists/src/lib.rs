//! Recipient lists: lists of people for campaigns, from files, from requests, or chosen from the contacts.
//!
//! A file is kept in Storage while it is imported: see [`tables::file_import`].

pub(crate) mod creation;
pub(crate) mod entry_list;
pub(crate) mod given_recipient;
mod import;
pub(crate) mod list_index;
pub(crate) mod list_source;
pub(crate) mod recipient_list;
pub(crate) mod row_error_list;
mod row_reader;
pub(crate) mod sample_file;
pub(crate) mod submission;

pub(crate) mod upload;

use crm_core::contract::Routes;

pub use entry_list::router as entries;
pub use import::ListImport;
pub use recipient_list::router as recipient_list;
pub use row_error_list::router as row_errors;
pub use sample_file::router as sample_file;
pub use upload::router as uploads;

/// `/api/broadcast/recipient-lists`.
pub fn recipient_lists() -> Routes {
    list_index::router().merge(creation::router())
}
