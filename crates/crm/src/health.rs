//! Is the product well?

pub(crate) mod service;
pub(crate) mod workers;

pub use service::router as service;
pub use workers::router as workers;
