//! `GET /api/agents`.

use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::agent_details::Agent;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::field_rules::optional_text;
use crm_core::json_body::{QueryParameters, truth};
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::AgentsView;

/// Whom to list.
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

pub(super) fn router() -> Router<App> {
    Router::new().route("/api/agents", get(list_agents))
}

/// The people of the tenant by name.
#[utoipa::path(
    get, path = "/api/agents", tag = "agents", security(("bearer" = [])),
    params(
        ("search" = Option<String>, Query, description = "Part of a name or an address"),
        ("active" = Option<bool>, Query),
        ("page" = Option<u32>, Query, minimum = 1),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = Paged<Agent>), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
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
