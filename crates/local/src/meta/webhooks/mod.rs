//! Webhooks to the application: their shape, their signature, the queue and redelivery.

pub(crate) mod outbox;
pub(crate) mod payload;
pub(crate) mod poster;
pub(crate) mod signed_json;
