//! Segments: saved filters of contacts.
//!
//! A filter passes through as JSON: the database checks it, and names the place that is wrong.

pub(crate) mod preview;
pub(crate) mod segment;
pub(crate) mod segment_list;

pub use preview::router as preview;
pub use segment::router as segment;
pub use segment_list::router as segments;
