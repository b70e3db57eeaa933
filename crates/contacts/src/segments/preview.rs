//! `POST /api/crm/segments/preview`: whom a filter would leave.

use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::contact_filter::ContactTree;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::JsonBody;
use crm_core::permissions::SegmentsView;

/// A filter to try.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterToTry {
    filter: ContactTree,
}

/// Whom a filter leaves, of the contacts the caller may see.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct SegmentPreview {
    contact_count: u64,
    /// The newest 20.
    contacts: Vec<PreviewContact>,
}

/// A contact in short.
#[derive(Serialize, Deserialize, ToSchema)]
struct PreviewContact {
    id: Uuid,
    name: Option<String>,
    phone_number: Option<String>,
    email: Option<String>,
    tags: Vec<String>,
    created_at: DateTime<Utc>,
}

/// `/api/crm/segments/preview`.
pub fn router() -> Router<App> {
    Router::new().route("/api/crm/segments/preview", post(preview_segment))
}

/// Counts the contacts that a filter leaves, and shows the newest of them; nothing is saved.
#[utoipa::path(
    post, path = "/api/crm/segments/preview", tag = "segments", security(("bearer" = [])),
    request_body = FilterToTry,
    responses(
        (status = 200, body = SegmentPreview), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 422, description = "`invalid_filter`, naming the place: `filter.all[1].value`", body = ErrorBody),
    )
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
