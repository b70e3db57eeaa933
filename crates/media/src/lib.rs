//! Files of messages: what customers send is kept before Meta forgets it; what we send is uploaded first.

pub(crate) mod direct;
mod fetch;
pub(crate) mod file;
mod metered;
mod sent_on;
mod sniff;
pub(crate) mod upload;

pub use file::router as file;
pub use upload::router as upload;

pub use fetch::{fetch_pending, fetch_soon, may_hold_files};
pub use file::remove_files;
pub use sent_on::give_to_numbers;

/// The private bucket of files that are part of conversations.
const BUCKET: &str = "chat-media";
