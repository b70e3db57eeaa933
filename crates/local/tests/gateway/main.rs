//! Tests of the gateway with real functions behind it, both in this process and as `crm-local serve`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test helper fails by panicking"
)]

mod one_server;
mod requests;
mod serve;
mod site;
