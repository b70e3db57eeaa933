//! `GET /api/broadcast/recipient-lists`.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::recipient_list::RecipientList;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::RecipientListsView;
use crm_core::routes;

/// The filters of the list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    search: Option<String>,
    status: Option<ListStatus>,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// The state of a list.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ListStatus {
    Importing,
    Ready,
    Refused,
    Failed,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(list_recipient_lists))
}

/// List the recipient lists.
///
/// The newest list comes first.
#[utoipa::path(
    get, path = "/api/broadcast/recipient-lists", tag = "recipient-lists",
    params(
        ("search" = Option<String>, Query, description = "A part of the name"),
        ("status" = inline(Option<ListStatus>), Query, description = "Only lists in this state"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Paged<RecipientList>)),
)]
pub(crate) async fn list_recipient_lists(
    permitted: Permitted<RecipientListsView>,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Json<Paged<RecipientList>>, ApiError> {
    let Filter {
        search,
        status,
        page,
        limit,
    } = filter;
    let search = optional_text("search", search.as_deref().unwrap_or_default(), 200)?;
    let search = (!search.is_empty()).then_some(search);
    let arguments = json!({ "search": search, "status_filter": status, "page": page, "page_size": limit });
    let rows: Rows<RecipientList> = permitted
        .caller
        .database()
        .rpc("list_recipient_lists", &arguments)
        .await?;
    Ok(Json(rows.into_page(PageNumber { page, limit })))
}
