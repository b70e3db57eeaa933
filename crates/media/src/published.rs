//! Published files: samples of templates and files of quick replies, which Meta and browsers fetch by their address.

pub(crate) mod file;
pub(crate) mod list;
pub(crate) mod publication;

pub use file::router as file;
pub use list::router as files;
