//! API keys for integrations.

pub(crate) mod api_key;
pub(crate) mod api_key_list;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use api_key::router as api_key;
pub use api_key_list::router as api_keys;

/// What happens to the API keys of a person whose membership ends.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeptKeys {
    /// They go on.
    Keep,
    /// They end at once.
    Revoke,
}
