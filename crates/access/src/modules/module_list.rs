//! `GET /api/modules`.

use axum::Json;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::module_details::Module;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::permissions::ModulesView;
use crm_core::routes;

/// The registry of modules.
#[derive(Serialize, ToSchema)]
pub(crate) struct ModuleList {
    data: Vec<Module>,
}

/// `/api/modules`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_modules))
}

/// List the modules.
///
/// The list says for each module whether the organisation has switched it on.
#[utoipa::path(get, path = "/api/modules", tag = "modules", responses((status = 200, body = ModuleList)))]
pub(crate) async fn list_modules(permitted: Permitted<ModulesView>) -> Result<Json<ModuleList>, ApiError> {
    let data = permitted
        .caller
        .database()
        .rpc("list_modules", &json!({}))
        .await?;
    Ok(Json(ModuleList { data }))
}
