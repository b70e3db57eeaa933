//! API keys for integrations.

pub(crate) mod api_key;
pub(crate) mod api_key_list;

pub use api_key::router as api_key;
pub use api_key_list::router as api_keys;
