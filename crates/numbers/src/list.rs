//! `GET /api/whatsapp/sessions`: the connected numbers with their health.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::health;
use super::number::{ConnectedNumber, GraphInUse};
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::permissions::NumbersView;
use crm_core::routes;

/// The options of the list.
#[derive(Deserialize)]
pub(crate) struct ListQuery {
    pub(super) refresh: Option<Refresh>,
}

/// Whether to ask Meta first.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = NumberRefresh)]
pub(crate) enum Refresh {
    True,
    False,
}

/// The numbers of a tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct NumberList {
    data: Vec<ConnectedNumber>,
    graph: GraphInUse,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(list_numbers))
}

/// List the connected numbers.
///
/// The oldest number comes first. The health of a number is at most an hour old; with `refresh=true` Meta is asked
/// again for everything older than a minute.
#[utoipa::path(
    get, path = "/api/whatsapp/sessions", tag = "whatsapp",
    params(("refresh" = inline(Option<Refresh>), Query, description = "Whether to ask Meta first")),
    responses((status = 200, body = NumberList)),
)]
pub(crate) async fn list_numbers(
    State(app): State<App>,
    permitted: Permitted<NumbersView>,
    QueryParameters(query): QueryParameters<ListQuery>,
) -> Result<Json<NumberList>, ApiError> {
    let caller = &permitted.caller;
    if app.config().default_tenant_id == Some(caller.access.tenant.id) {
        ensure_default_number(&app).await?;
    }
    let mut data: Vec<ConnectedNumber> = caller.database().rpc("list_numbers", &json!({})).await?;
    if query.refresh == Some(Refresh::True) {
        let ids: Vec<Uuid> = data.iter().map(|number| number.id).collect();
        health::refresh_these(&app, &ids).await?;
        data = caller.database().rpc("list_numbers", &json!({})).await?;
    }
    Ok(Json(NumberList {
        data,
        graph: GraphInUse::of(&app),
    }))
}

/// Creates the number of the environment for the tenant of the environment, unless it exists or was deleted.
pub async fn ensure_default_number(app: &App) -> Result<Option<Uuid>, ApiError> {
    let config = app.config();
    let (Some(tenant), Some(number)) = (config.default_tenant_id, &config.default_number) else {
        return Ok(None);
    };
    let arguments = json!({
        "tenant_id": tenant,
        "phone_number_id": number.phone_number_id,
        "business_account_id": number.business_account_id,
    });
    Ok(app
        .supabase()
        .as_service()
        .rpc("ensure_default_number", &arguments)
        .await?)
}
