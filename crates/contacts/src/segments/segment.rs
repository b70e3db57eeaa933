//! `GET`, `PATCH` and `DELETE /api/crm/segments/{id}`, and what a segment looks like.

use axum::http::StatusCode;
use axum::routing::get;
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
use crm_core::field_rules::{optional_text, required_text};
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{SegmentsDelete, SegmentsUpdate, SegmentsView};

const MAX_NAME: usize = 100;
const MAX_DESCRIPTION: usize = 500;

/// A saved filter of contacts.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Segment {
    id: Uuid,
    name: String,
    description: String,
    filter: ContactTree,
    /// How many contacts it leaves now, of those the caller may see. Null where nobody counted, or with a `problem`.
    #[serde(default)]
    contact_count: Option<u64>,
    /// What the filter names is gone: it leaves nobody, and cannot be sent to until it is changed.
    #[serde(default)]
    problem: Option<SegmentProblem>,
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The place in a filter that names something that is gone.
#[derive(Serialize, Deserialize, ToSchema)]
struct SegmentProblem {
    #[schema(example = "filter.all[1].value")]
    field: String,
}

/// A segment to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSegment {
    name: String,
    #[serde(default)]
    description: String,
    filter: ContactTree,
}

/// What to change; what is not named stays.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<ContactTree>,
}

impl From<NewSegment> for SegmentChanges {
    fn from(segment: NewSegment) -> Self {
        Self {
            name: Some(segment.name),
            description: Some(segment.description),
            filter: Some(segment.filter),
        }
    }
}

impl SegmentChanges {
    pub(super) fn checked(self) -> Result<Self, ApiError> {
        let text = |value: Option<String>, check: &dyn Fn(&str) -> Result<String, ApiError>| {
            value.as_deref().map(check).transpose()
        };
        Ok(Self {
            name: text(self.name, &|name| required_text("name", name, MAX_NAME))?,
            description: text(self.description, &|words| {
                optional_text("description", words, MAX_DESCRIPTION)
            })?,
            filter: self.filter.map(|filter| filter.checked("filter")).transpose()?,
        })
    }
}

/// `/api/crm/segments/{id}`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/crm/segments/{id}",
        get(get_segment).patch(update_segment).delete(delete_segment),
    )
}

/// One segment, counted.
#[utoipa::path(
    get, path = "/api/crm/segments/{id}", tag = "segments", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = Segment), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
)]
pub(crate) async fn get_segment(
    permitted: Permitted<SegmentsView>,
    PathId(id): PathId,
) -> Result<Json<Segment>, ApiError> {
    let segment: Option<Segment> = permitted
        .caller
        .database()
        .rpc("get_segment", &json!({ "segment_id": id }))
        .await?;
    segment.map(Json).ok_or_else(ApiError::not_found)
}

/// Changes a segment. Lists and campaigns that were made of it keep their people.
#[utoipa::path(
    patch, path = "/api/crm/segments/{id}", tag = "segments", security(("bearer" = [])),
    params(("id" = Uuid, Path)), request_body = SegmentChanges,
    responses(
        (status = 200, body = Segment), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`name_taken`", body = ErrorBody),
        (status = 422, description = "`invalid_filter`, naming the place: `filter.all[1].value`", body = ErrorBody),
    )
)]
pub(crate) async fn update_segment(
    permitted: Permitted<SegmentsUpdate>,
    PathId(id): PathId,
    JsonBody(changes): JsonBody<SegmentChanges>,
) -> Result<Json<Segment>, ApiError> {
    let arguments = json!({ "segment_id": id, "changes": changes.checked()? });
    Ok(Json(
        permitted
            .caller
            .database()
            .rpc("save_segment", &arguments)
            .await?,
    ))
}

/// Deletes a segment. Lists and campaigns that were made of it keep their people.
#[utoipa::path(
    delete, path = "/api/crm/segments/{id}", tag = "segments", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
)]
pub(crate) async fn delete_segment(
    permitted: Permitted<SegmentsDelete>,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    let () = permitted
        .caller
        .database()
        .rpc("delete_segment", &json!({ "segment_id": id }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
