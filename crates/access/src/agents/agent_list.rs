//! `GET /api/agents`.

use axum::Json;
use serde::Deserialize;
use serde_json::json;

use super::agent_details::Agent;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::{QueryParameters, truth};
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::AgentsView;
use crm_core::routes;

/// The filters of the list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    search: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    active: Option<bool>,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(list_agents))
}

/// List the people of the organisation.
///
/// The list is sorted by name. `search` looks in names and e-mail addresses; `active=false` shows only people who were
/// deactivated.
#[utoipa::path(
    get, path = "/api/agents", tag = "agents",
    params(
        ("search" = Option<String>, Query, description = "A part of a name or an e-mail address"),
        ("active" = Option<bool>, Query, description = "Whether to list active or deactivated people; both if left out"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Paged<Agent>)),
)]
pub(crate) async fn list_agents(
    permitted: Permitted<AgentsView>,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Json<Paged<Agent>>, ApiError> {
    let Filter {
        search,
        active,
        page,
        limit,
    } = filter;
    let search = search
        .map(|text| optional_text("search", &text, 200))
        .transpose()?;
    let arguments = json!({
        "search": search.filter(|text| !text.is_empty()), "active": active, "page": page, "page_size": limit,
    });
    let rows: Rows<Agent> = permitted.caller.database().rpc("list_agents", &arguments).await?;
    Ok(Json(rows.into_page(PageNumber { page, limit })))
}
