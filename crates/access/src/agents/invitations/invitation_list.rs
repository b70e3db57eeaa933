//! `GET /api/agents/invitations`.

use axum::Json;
use serde::Deserialize;
use serde_json::json;

use super::invitation_details::Invitation;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::AgentsView;
use crm_core::routes;

/// The wanted page.
#[derive(Deserialize)]
pub(crate) struct Page {
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// `/api/agents/invitations`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_invitations))
}

/// List the invitations.
///
/// The newest invitation comes first. Expired ones stay in the list until they are sent again or withdrawn.
#[utoipa::path(
    get, path = "/api/agents/invitations", tag = "agents",
    params(
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Paged<Invitation>)),
)]
pub(crate) async fn list_invitations(
    permitted: Permitted<AgentsView>,
    QueryParameters(Page { page, limit }): QueryParameters<Page>,
) -> Result<Json<Paged<Invitation>>, ApiError> {
    let arguments = json!({ "page": page, "page_size": limit });
    let rows: Rows<Invitation> = permitted
        .caller
        .database()
        .rpc("list_invitations", &arguments)
        .await?;
    Ok(Json(rows.into_page(PageNumber { page, limit })))
}
