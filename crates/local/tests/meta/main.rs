//! Tests of the Meta simulator over HTTP, with a receiver for its webhooks.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test helper fails by panicking"
)]

mod control;
mod graph;
mod receiver;
mod refusals;
mod simulator;
mod state;
mod templates;
mod webhooks;
