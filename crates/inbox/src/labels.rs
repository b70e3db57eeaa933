//! Labels: what a tenant sorts its conversations and contacts by.

mod label;
pub(crate) mod label_change;
pub(crate) mod label_list;

pub use label_change::router as label;
pub use label_list::router as labels;
