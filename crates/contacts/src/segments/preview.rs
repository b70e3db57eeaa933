//! `POST /api/crm/segments/preview`: the contacts that a filter selects.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::Permitted;
use crm_core::contact_filter::ContactTree;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::permissions::SegmentsView;
use crm_core::routes;

/// A filter to try.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterToTry {
    filter: ContactTree,
}

/// The contacts that a filter selects, of those the caller may see.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct SegmentPreview {
    contact_count: u64,
    /// The 20 newest contacts.
    contacts: Vec<PreviewContact>,
}

/// A contact with its most important fields.
#[derive(Serialize, Deserialize, ToSchema)]
struct PreviewContact {
    id: Uuid,
    #[schema(example = "Sari Dewi")]
    name: Option<String>,
    #[schema(example = "+6281234567890")]
    phone_number: Option<String>,
    email: Option<String>,
    #[schema(example = json!(["grosir"]))]
    tags: Vec<String>,
    created_at: DateTime<Utc>,
}

/// `/api/crm/segments/preview`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(preview_segment))
}

/// Try a filter of contacts.
///
/// The answer counts the contacts that pass the filter and shows the 20 newest. Nothing is saved.
#[utoipa::path(
    post, path = "/api/crm/segments/preview", tag = "segments",
    request_body = FilterToTry,
    responses((status = 200, body = SegmentPreview), (status = 422, description = "invalid_filter")),
)]
pub(crate) async fn preview_segment(
    permitted: Permitted<SegmentsView>,
    JsonBody(body): JsonBody<FilterToTry>,
) -> Result<Json<SegmentPreview>, ApiError> {
    let filter = body.filter.checked("filter")?;
    let preview = permitted
        .caller
        .database()
        .rpc("preview_segment", &json!({ "filter": filter }))
        .await?;
    Ok(Json(preview))
}
