//! Labels of conversations and contacts.

mod label;
pub(crate) mod label_change;
pub(crate) mod label_list;

pub use label_change::router as label;
pub use label_list::router as labels;
