//! `GET /api/rbac/permissions`.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::permissions::RbacView;

/// Something that can be permitted.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct PermissionDetails {
    #[schema(example = "messages.send")]
    permission_key: String,
    permission_name: String,
    permission_name_id: String,
    description: String,
    description_id: String,
    category: String,
    module_id: String,
}

/// Everything that can be permitted.
#[derive(Serialize, ToSchema)]
pub(crate) struct PermissionList {
    data: Vec<PermissionDetails>,
}

/// `/api/rbac/permissions`.
pub fn router() -> Router<App> {
    Router::new().route("/api/rbac/permissions", get(list_permissions))
}

/// Every permission with its name and description in English and Indonesian.
#[utoipa::path(
    get, path = "/api/rbac/permissions", tag = "rbac", security(("bearer" = [])),
    responses((status = 200, body = PermissionList), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody))
)]
pub(crate) async fn list_permissions(
    permitted: Permitted<RbacView>,
) -> Result<Json<PermissionList>, ApiError> {
    let data = permitted
        .caller
        .database()
        .rpc("list_permissions", &json!({}))
        .await?;
    Ok(Json(PermissionList { data }))
}
