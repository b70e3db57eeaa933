//! `GET` and `POST /api/crm/segments`.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::segment::{NewSegment, Segment, SegmentChanges};
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::{JsonBody, QueryParameters, created, truth};
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::{SegmentsCreate, SegmentsView};
use crm_core::routes;

/// The filters of the list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    search: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    counts: Option<bool>,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// `/api/crm/segments`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_segments, create_segment))
}

/// List the segments.
///
/// The segments are sorted by name. Each has the number of contacts that pass its filter now, unless `counts=false`.
#[utoipa::path(
    get, path = "/api/crm/segments", tag = "segments",
    params(
        ("search" = Option<String>, Query, description = "A part of the name"),
        ("counts" = Option<bool>, Query, description = "`false` counts no contacts, and is faster"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Paged<Segment>), (status = 422, description = "invalid_filter")),
)]
pub(crate) async fn list_segments(
    permitted: Permitted<SegmentsView>,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Json<Paged<Segment>>, ApiError> {
    let Filter {
        search,
        counts,
        page,
        limit,
    } = filter;
    let search = optional_text("search", search.as_deref().unwrap_or_default(), 100)?;
    let arguments = json!({
        "search": (!search.is_empty()).then_some(search), "page": page, "page_size": limit,
        "counted": counts.unwrap_or(true),
    });
    let rows: Rows<Segment> = permitted
        .caller
        .database()
        .rpc("list_segments", &arguments)
        .await?;
    Ok(Json(rows.into_page(PageNumber { page, limit })))
}

/// Create a segment.
///
/// A segment is a saved filter of contacts with at most 5 levels and 50 comparisons. A wrong filter is refused with
/// `invalid_filter`, and `fields` names the place, for example `filter.all[1].value`.
#[utoipa::path(
    post, path = "/api/crm/segments", tag = "segments",
    request_body = NewSegment,
    responses(
        (status = 201, body = Segment),
        (status = 404, description = "not_found"),
        (status = 409, description = "name_taken"),
        (status = 422, description = "invalid_filter"),
    ),
)]
pub(crate) async fn create_segment(
    permitted: Permitted<SegmentsCreate>,
    JsonBody(segment): JsonBody<NewSegment>,
) -> Result<(StatusCode, Json<Segment>), ApiError> {
    let changes = SegmentChanges::from(segment).checked()?;
    let segment: Segment = permitted
        .caller
        .database()
        .rpc("save_segment", &json!({ "changes": changes }))
        .await?;
    Ok(created(segment))
}
