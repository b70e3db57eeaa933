//! `GET` and `PATCH /api/modules/{id}`.

use axum::Json;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::module_details::Module;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::permissions::{ModulesManage, ModulesView};
use crm_core::routes;

/// Changes to a module.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModuleChanges {
    enabled: bool,
}

/// `/api/modules/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_module, set_module))
}

/// Get one module.
///
/// The answer has the permissions and the routes that belong to the module.
#[utoipa::path(
    get, path = "/api/modules/{id}", tag = "modules",
    params(("id" = String, Path, description = "The id of the module", example = "broadcast")),
    responses((status = 200, body = Module)),
)]
pub(crate) async fn get_module(
    permitted: Permitted<ModulesView>,
    Path(id): Path<String>,
) -> Result<Json<Module>, ApiError> {
    let module: Option<Module> = permitted
        .caller
        .database()
        .rpc("get_module", &json!({ "module_id": without_nul(&id)? }))
        .await?;
    module.map(Json).ok_or_else(ApiError::not_found)
}

/// Switch a module on or off.
///
/// While a module is off its operations answer 403 `module_disabled` and its background work stops. Its data stays.
#[utoipa::path(
    patch, path = "/api/modules/{id}", tag = "modules",
    params(("id" = String, Path, description = "The id of the module", example = "broadcast")),
    request_body = ModuleChanges,
    responses((status = 200, body = Module), (status = 409, description = "module_required, module_dependency")),
)]
pub(crate) async fn set_module(
    permitted: Permitted<ModulesManage>,
    Path(id): Path<String>,
    JsonBody(ModuleChanges { enabled }): JsonBody<ModuleChanges>,
) -> Result<Json<Module>, ApiError> {
    let arguments = json!({ "module_id": without_nul(&id)?, "enabled": enabled });
    Ok(Json(
        permitted.caller.database().rpc("set_module", &arguments).await?,
    ))
}

/// Refuses U+0000, which no text in Postgres can contain: no module has such a name.
fn without_nul(id: &str) -> Result<&str, ApiError> {
    if id.contains('\0') {
        Err(ApiError::not_found())
    } else {
        Ok(id)
    }
}
