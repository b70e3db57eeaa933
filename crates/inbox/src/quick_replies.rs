//! Quick replies: prepared answers of the organisation or of one person.

pub(crate) mod quick_reply;
pub(crate) mod quick_reply_list;
pub(crate) mod rendering;

pub use quick_reply::router as quick_reply;
pub use quick_reply_list::router as quick_replies;
pub use rendering::router as render;
