//! Segments: saved filters of contacts.
//!
//! A filter stays JSON on its way: the database knows what it may say, and names the place where it is wrong.

pub(crate) mod preview;
pub(crate) mod segment;
pub(crate) mod segment_list;

pub use preview::router as preview;
pub use segment::router as segment;
pub use segment_list::router as segments;
