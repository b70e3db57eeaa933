//! `GET /api/broadcast/recipient-lists/{id}/errors`: the rows that were not imported, with the reasons.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::import::ListImport;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{PageNumber, Paged, default_limit, first_page, page_number, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::RecipientListsView;
use crm_core::routes;
use tables::file_import::row_error::{RowError, RowErrors};
use tables::table_export::TableFormat;

/// The filters of the list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
    #[serde(default)]
    format: Format,
}

/// The format of the answer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RowErrorFormat)]
enum Format {
    #[default]
    Csv,
    Json,
}

/// `/api/broadcast/recipient-lists/{id}/errors`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_recipient_list_errors))
}

/// List the rows that are not on a recipient list.
///
/// Each entry names the line, the column, the value and the reason. The answer is a CSV file with all rows or, with
/// `format=json`, a page.
#[utoipa::path(
    get, path = "/api/broadcast/recipient-lists/{id}/errors", tag = "recipient-lists",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the recipient list"),
        ("format" = inline(Option<Format>), Query, description = "`csv` if left out and `Accept` does not ask for JSON"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, content((String = "text/csv"), (Paged<RowError> = "application/json")))),
)]
pub(crate) async fn list_recipient_list_errors(
    permitted: Permitted<RecipientListsView>,
    PathId(list): PathId,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Response, ApiError> {
    let errors = RowErrors::of::<ListImport>(permitted.caller, list);
    let Filter { page, limit, format } = filter;
    match format {
        Format::Csv => errors.download(TableFormat::Csv).await,
        Format::Json => Ok(Json(errors.page(PageNumber { page, limit }).await?).into_response()),
    }
}
