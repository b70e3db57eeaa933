//! A label as clients see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::error::ApiError;
use crm_core::text::Text;

pub(super) const LONGEST_NAME: usize = 50;
pub(super) const LONGEST_DESCRIPTION: usize = 200;

/// A label.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Label {
    id: Uuid,
    #[schema(example = "VIP")]
    name: String,
    /// `#rrggbb`
    #[schema(example = "#dc2626")]
    color: String,
    #[schema(example = "Pelanggan tetap")]
    description: String,
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// In lists: the number of conversations with this label that the caller may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    conversations: Option<u64>,
    /// In lists: the number of contacts with this label that the caller may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    contacts: Option<u64>,
}

pub(super) fn check_color(color: &str) -> Result<(), ApiError> {
    let digits = color.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(ApiError::field(
        "color",
        Text::new("must be written as #rrggbb", "harus ditulis sebagai #rrggbb"),
    ))
}
