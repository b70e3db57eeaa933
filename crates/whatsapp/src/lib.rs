//! A client for Meta's WhatsApp Cloud API and a parser for its webhooks.
//!
//! The crate depends on no database and no HTTP server. The webhook parser turns bytes into a
//! [`webhook::Delivery`]. The caller provides the HTTP client of a [`client::GraphClient`], which sends
//! messages and returns either Meta's acceptance or a [`client::SendError`] that says how to proceed.

pub mod client;
pub mod error_codes;
mod graph_version;
pub mod phone;
pub mod signature;
pub mod template;
pub mod webhook;

pub use graph_version::{GraphVersion, InvalidGraphVersion};
