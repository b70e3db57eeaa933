//! Tenants and their people.

pub(crate) mod me;

pub use me::router as me;
