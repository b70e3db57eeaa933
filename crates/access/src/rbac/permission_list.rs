//! `GET /api/rbac/permissions`.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::permissions::RbacView;
use crm_core::routes;

/// A permission.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct PermissionDetails {
    #[schema(example = "messages.send")]
    permission_key: String,
    #[schema(example = "Send messages")]
    permission_name: String,
    #[schema(example = "Mengirim pesan")]
    permission_name_id: String,
    #[schema(example = "Send messages to customers.")]
    description: String,
    #[schema(example = "Mengirim pesan kepada pelanggan.")]
    description_id: String,
    #[schema(example = "messages")]
    category: String,
    #[schema(example = "inbox")]
    module_id: String,
}

/// All permissions.
#[derive(Serialize, ToSchema)]
pub(crate) struct PermissionList {
    data: Vec<PermissionDetails>,
}

/// `/api/rbac/permissions`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_permissions))
}

/// List the permissions.
///
/// Every permission has a name and a description in English and Indonesian.
#[utoipa::path(get, path = "/api/rbac/permissions", tag = "rbac", responses((status = 200, body = PermissionList)))]
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
