//! The crate against a small HTTP server that answers as the test says and remembers what it was asked.

#![expect(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod auth_admin;
mod database;
mod errors;
mod server;
mod storage;
mod tokens;
