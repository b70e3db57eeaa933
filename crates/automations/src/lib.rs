//! What the product says by itself: greeting, away message, and the question how it was.
//!
//! The database decides in the transaction of what happened, and leaves a message with work beside it. [`sender`] takes
//! the work up behind the answer, and cron what was left over.

pub(crate) mod csat_report;
pub(crate) mod message_settings;
mod queued_message;
mod sender;
pub(crate) mod settings;

pub use csat_report::router as csat;
pub use settings::router as automations;

pub use sender::{send_due, send_soon};
