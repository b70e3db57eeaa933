//! `GET` and `POST /api/crm/segments`.

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::segment::{NewSegment, Segment, SegmentChanges};
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::field_rules::optional_text;
use crm_core::json_body::{JsonBody, QueryParameters, created, truth};
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::{SegmentsCreate, SegmentsView};

/// What to list.
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
pub fn router() -> Router<App> {
    Router::new().route("/api/crm/segments", get(list_segments).post(create_segment))
}

/// The segments of the caller's tenant by name, each with how many contacts it leaves now.
#[utoipa::path(
    get, path = "/api/crm/segments", tag = "segments", security(("bearer" = [])),
    params(
        ("search" = Option<String>, Query, description = "A part of the name"),
        ("counts" = Option<bool>, Query, description = "`false` counts nobody, and is faster"),
        ("page" = Option<u32>, Query, description = "From 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "Rows of a page, by default 20", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = Paged<Segment>), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
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

/// Saves a filter of contacts by a name. A filter has at most 5 levels and 50 comparisons.
#[utoipa::path(
    post, path = "/api/crm/segments", tag = "segments", security(("bearer" = [])), request_body = NewSegment,
    responses(
        (status = 201, body = Segment), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 409, description = "`name_taken`", body = ErrorBody),
        (status = 422, description = "`invalid_filter`, naming the place: `filter.all[1].value`", body = ErrorBody),
    )
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
