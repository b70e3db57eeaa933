//! Automatic messages: greeting, away message, and the satisfaction question.
//!
//! The database decides which messages are due, in the transaction that stores the customer's message, and queues them.
//! [`sender`] sends them after the answer of the webhook. Cron sends what that left over.

pub(crate) mod csat_report;
pub(crate) mod message_settings;
mod queued_message;
mod sender;
pub(crate) mod settings;

pub use csat_report::router as csat;
pub use settings::router as automations;

pub use sender::{send_due, send_soon};
