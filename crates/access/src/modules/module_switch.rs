//! `GET` and `PATCH /api/modules/{id}`.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::module_details::Module;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::JsonBody;
use crm_core::permissions::{ModulesManage, ModulesView};

/// Whether the tenant wants it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModuleChanges {
    enabled: bool,
}

/// `/api/modules/{id}`.
pub fn router() -> Router<App> {
    Router::new().route("/api/modules/{id}", get(get_module).patch(set_module))
}

/// One module.
#[utoipa::path(
    get, path = "/api/modules/{id}", tag = "modules", security(("bearer" = [])),
    params(("id" = String, Path, example = "broadcast")),
    responses(
        (status = 200, body = Module), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
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

/// Switches a module on or off. Off, its routes answer 403 `module_disabled` and its background work stands still;
/// its data stays.
#[utoipa::path(
    patch, path = "/api/modules/{id}", tag = "modules", security(("bearer" = [])),
    params(("id" = String, Path, example = "broadcast")), request_body = ModuleChanges,
    responses(
        (status = 200, body = Module), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 409, description = "`module_required` or `module_dependency`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
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

/// Postgres has no text with U+0000, and so no module of such a name.
fn without_nul(id: &str) -> Result<&str, ApiError> {
    if id.contains('\0') {
        Err(ApiError::not_found())
    } else {
        Ok(id)
    }
}
