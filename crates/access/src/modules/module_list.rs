//! `GET /api/modules`.

use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::module_details::Module;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::permissions::ModulesView;

/// The registry of modules.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModuleList {
    data: Vec<Module>,
}

/// `/api/modules`.
pub fn router() -> Router<App> {
    Router::new().route("/api/modules", get(list_modules))
}

/// Every module, and whether the tenant has it enabled.
#[utoipa::path(
    get, path = "/api/modules", tag = "modules", security(("bearer" = [])),
    responses((status = 200, body = ModuleList), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody))
)]
pub(crate) async fn list_modules(permitted: Permitted<ModulesView>) -> Result<Json<ModuleList>, ApiError> {
    let data = permitted
        .caller
        .database()
        .rpc("list_modules", &json!({}))
        .await?;
    Ok(Json(ModuleList { data }))
}
