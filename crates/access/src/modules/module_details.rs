//! A module as clients see it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A part of the product.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Module {
    #[schema(example = "broadcast")]
    id: String,
    #[schema(example = "Campaigns")]
    name: String,
    #[schema(example = "Kampanye")]
    name_id: String,
    #[schema(example = "Send approved templates to many people.")]
    description: String,
    #[schema(example = "Kirim template yang disetujui ke banyak orang.")]
    description_id: String,
    #[schema(example = "1.0.0")]
    version: String,
    /// Whether the product needs this module. Such a module cannot be switched off.
    core: bool,
    enabled: bool,
    /// The beginnings of its routes.
    #[schema(example = json!(["/api/broadcast"]))]
    routes: Vec<String>,
    /// The permissions that belong to it.
    #[schema(example = json!(["broadcasts.view"]))]
    permissions: Vec<String>,
    /// The modules it needs.
    #[schema(example = json!(["contacts"]))]
    dependencies: Vec<String>,
}
