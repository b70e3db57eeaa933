//! Health of the service and of the background work.

pub(crate) mod service;
pub(crate) mod workers;

pub use service::router as service;
pub use workers::router as workers;
