//! `GET`, `PATCH` and `DELETE /api/crm/segments/{id}`, and a segment as clients see it.

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::Permitted;
use crm_core::contact_filter::ContactTree;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::{optional_text, required_text};
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{SegmentsDelete, SegmentsUpdate, SegmentsView};
use crm_core::routes;

const MAX_NAME: usize = 100;
const MAX_DESCRIPTION: usize = 500;

/// A saved filter of contacts.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Segment {
    id: Uuid,
    #[schema(example = "Pelanggan setia")]
    name: String,
    #[schema(example = "Membeli dalam 30 hari terakhir")]
    description: String,
    filter: ContactTree,
    /// The number of contacts that the filter selects now, of those the caller may see. Null if they were not counted,
    /// or with a `problem`.
    #[serde(default)]
    contact_count: Option<u64>,
    /// Something that the filter names has been deleted. The segment selects no contact, and no campaign can be sent to
    /// it until it is changed.
    #[serde(default)]
    problem: Option<SegmentProblem>,
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The place in a filter that names something deleted.
#[derive(Serialize, Deserialize, ToSchema)]
struct SegmentProblem {
    #[schema(example = "filter.all[1].value")]
    field: String,
}

/// A segment to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSegment {
    #[schema(example = "Pelanggan setia")]
    name: String,
    #[serde(default)]
    description: String,
    filter: ContactTree,
}

/// Changes to a segment. Fields that are left out stay as they are.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Pelanggan setia")]
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
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_segment, update_segment, delete_segment))
}

/// Get one segment.
///
/// The answer has the number of contacts that pass the filter now.
#[utoipa::path(
    get, path = "/api/crm/segments/{id}", tag = "segments",
    params(("id" = Uuid, Path, description = "The id of the segment")),
    responses((status = 200, body = Segment), (status = 422, description = "invalid_filter")),
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

/// Change a segment.
///
/// Lists and campaigns that were made from the segment keep their people. Fields that are left out stay as they are.
#[utoipa::path(
    patch, path = "/api/crm/segments/{id}", tag = "segments",
    params(("id" = Uuid, Path, description = "The id of the segment")),
    request_body = SegmentChanges,
    responses(
        (status = 200, body = Segment),
        (status = 409, description = "name_taken"),
        (status = 422, description = "invalid_filter"),
    ),
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

/// Delete a segment.
///
/// Lists and campaigns that were made from the segment keep their people.
#[utoipa::path(
    delete, path = "/api/crm/segments/{id}", tag = "segments",
    params(("id" = Uuid, Path, description = "The id of the segment")),
    responses((status = 204)),
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
