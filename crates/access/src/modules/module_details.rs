//! A module as clients see it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A part of the product.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Module {
    #[schema(example = "broadcast")]
    id: String,
    name: String,
    name_id: String,
    description: String,
    description_id: String,
    version: String,
    /// Whether the product does not work without it.
    core: bool,
    enabled: bool,
    /// How its routes begin.
    routes: Vec<String>,
    /// The permissions that go with it.
    permissions: Vec<String>,
    /// The modules it needs.
    dependencies: Vec<String>,
}
