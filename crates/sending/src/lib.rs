//! Sending messages to Meta: the code that chat replies, automatic messages and campaigns share.
//!
//! A sender opens a [`SendContext`] for a number, sends with it, reads the answer as a [`outcome::Report`] under a
//! [`RetryPolicy`], and records the report with [`record_until_taken`]. A sender with a queue gives the three steps to
//! [`claim_send_record`], which runs them side by side.

mod breaker;
mod broken_number;
pub mod meta_sentence;
mod number_access;
pub mod outcome;
mod outstanding_claims;
mod recording;
mod retry_policy;
mod send_context;
mod send_loop;

pub use meta_sentence::meta_sentence;
pub use number_access::{AccessError, number_token};
pub use outstanding_claims::OutstandingClaims;
pub use recording::{RECORD_GRACE, back_off, record_until_taken};
pub use retry_policy::{RetryPolicy, asked_pause};
pub use send_context::{Answer, SendContext, Unavailable};
pub use send_loop::{Capacity, SendQueue, claim_send_record};
