//! Integration tests of the crate's public interface.

#![expect(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod accounting;
mod content;
mod drafts;
mod fuzz;
mod past;
mod sending;
mod shared_samples;
mod template;
mod templates_client;
mod webhook;
