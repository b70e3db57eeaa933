//! Tests the crate against a small HTTP server, which gives scripted answers and records requests.

#![expect(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod auth_requests;
mod database;
mod errors;
mod function_proof;
mod server;
mod storage;
mod tokens;
