//! Files of messages: files from customers are stored before Meta deletes them, and files to customers are uploaded
//! first.

pub(crate) mod direct;
mod fetch;
pub(crate) mod file;
mod first_copy;
mod form;
mod forwarding;
mod metered;
pub mod published;
mod sniff;
pub(crate) mod upload;

pub use file::router as file;
pub use upload::router as upload;

pub use fetch::{fetch_pending, fetch_soon, may_hold_files};
pub use file::remove_files;
pub use forwarding::upload_for_numbers;

/// The private bucket of files that belong to conversations.
const BUCKET: &str = "chat-media";
