//! Contacts: their data, custom fields, imports, consents and segments.
//!
//! The database decides who may see and change a contact. Handlers check the form of the input.

pub(crate) mod block;
pub(crate) mod bulk;
pub(crate) mod consents;
pub(crate) mod contact;
pub(crate) mod contact_creation;
mod contact_filter;
mod contact_input;
pub(crate) mod contact_list;
pub(crate) mod duplicates;
pub mod erased_files;
pub(crate) mod export;
pub(crate) mod field;
pub(crate) mod fields;
pub(crate) mod import;
pub(crate) mod merge;
pub(crate) mod notes;
pub(crate) mod personal_data;
pub mod segments;
pub(crate) mod timeline;

use crm_core::contract::Routes;

pub use block::router as block;
pub use bulk::router as bulk;
pub use consents::router as consents;
pub use contact::router as contact;
pub use duplicates::router as duplicates;
pub use export::router as export;
pub use field::router as field;
pub use fields::router as fields;
pub use import::ContactImport;
pub use import::router as import;
pub use merge::router as merge;
pub use notes::router as notes;
pub use personal_data::router as personal_data;
pub use timeline::router as timeline;

/// `/api/crm/contacts`.
pub fn contacts() -> Routes {
    contact_list::router().merge(contact_creation::router())
}
