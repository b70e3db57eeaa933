//! The queue: waiting and failed recipients.

pub(crate) mod queue_retry;
pub(crate) mod queue_status;
pub(crate) mod scheduled;
pub(crate) mod scheduler;

pub use queue_retry::router as retry;
pub use queue_status::{debug_router as debug_queue, router as status};
pub use scheduled::router as scheduled;
pub use scheduler::router as scheduler;
