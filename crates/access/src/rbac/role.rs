//! `GET`, `PATCH` and `DELETE /api/rbac/roles/{id}`.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::role_details::Role;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::{optional_text, required_text};
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{RbacManageRoles, RbacView};
use crm_core::routes;

/// Changes to a role. Fields that are left out stay as they are.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Only answers customers")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 9)]
    level: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inherits: Option<bool>,
    /// The permissions of the role; they replace the granted ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<String>>,
    /// The permissions that the role does not inherit; they replace the former ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_away: Option<Vec<String>>,
    /// The key of a permission template, in the place of `permissions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
}

/// `/api/rbac/roles/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_role, update_role, delete_role))
}

/// Get one role.
///
/// The answer has the permissions that the role was granted, and all permissions that it holds.
#[utoipa::path(
    get, path = "/api/rbac/roles/{id}", tag = "rbac",
    params(("id" = Uuid, Path, description = "The id of the role")),
    responses((status = 200, body = Role)),
)]
pub(crate) async fn get_role(
    permitted: Permitted<RbacView>,
    PathId(id): PathId,
) -> Result<Json<Role>, ApiError> {
    let role: Option<Role> = permitted
        .caller
        .database()
        .rpc("get_role", &json!({ "role_id": id }))
        .await?;
    role.map(Json).ok_or_else(ApiError::not_found)
}

/// Change a role.
///
/// Only roles of the organisation below the caller's level can be changed. Fields that are left out stay as they are.
#[utoipa::path(
    patch, path = "/api/rbac/roles/{id}", tag = "rbac",
    params(("id" = Uuid, Path, description = "The id of the role")),
    request_body(content = RoleChanges, example = json!({"template": "customer_service"})),
    responses(
        (status = 200, body = Role),
        (status = 403, description = "role_too_high, permission_not_held"),
        (status = 409, description = "predefined_role, name_taken"),
    ),
)]
pub(crate) async fn update_role(
    permitted: Permitted<RbacManageRoles>,
    PathId(id): PathId,
    JsonBody(mut changes): JsonBody<RoleChanges>,
) -> Result<Json<Role>, ApiError> {
    if let Some(name) = &changes.name {
        changes.name = Some(required_text("name", name, 100)?);
    }
    if let Some(description) = &changes.description {
        changes.description = Some(optional_text("description", description, 500)?);
    }
    let arguments = json!({ "role_id": id, "changes": changes });
    Ok(Json(
        permitted.caller.database().rpc("update_role", &arguments).await?,
    ))
}

/// Delete a role.
///
/// Only a role of the organisation that no person and no API key holds can be deleted.
#[utoipa::path(
    delete, path = "/api/rbac/roles/{id}", tag = "rbac",
    params(("id" = Uuid, Path, description = "The id of the role")),
    responses(
        (status = 204),
        (status = 403, description = "role_too_high, permission_not_held"),
        (status = 409, description = "role_in_use, predefined_role"),
    ),
)]
pub(crate) async fn delete_role(
    permitted: Permitted<RbacManageRoles>,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    permitted
        .caller
        .database()
        .rpc::<()>("delete_role", &json!({ "role_id": id }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
