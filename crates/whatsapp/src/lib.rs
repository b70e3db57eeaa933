//! Client and webhook side of Meta's WhatsApp Cloud API.
//!
//! The crate knows no database and no HTTP server: a webhook comes in as bytes and leaves as a
//! [`webhook::Delivery`]; a message goes out through a [`client::GraphClient`] built on an HTTP client from
//! elsewhere, and comes back as accepted or as a [`client::SendError`] that says what may be done next.

pub mod client;
pub mod error_codes;
mod graph_version;
pub mod phone;
pub mod signature;
pub mod template;
pub mod webhook;

pub use graph_version::{GraphVersion, InvalidGraphVersion};
