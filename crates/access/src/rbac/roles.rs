//! `GET` and `POST /api/rbac/roles`.

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
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::{RbacManageRoles, RbacView};
use crm_core::routes;

/// The roles of a tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoleList {
    data: Vec<Role>,
}

/// A role to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    #[schema(max_length = 100, example = "Kasir")]
    name: String,
    #[serde(default)]
    #[schema(max_length = 500)]
    description: String,
    /// The level of the role, below the caller's own.
    #[schema(minimum = 1, maximum = 9, example = 4)]
    level: u8,
    /// Whether the role also holds the permissions of predefined roles of lower levels; true if left out.
    inherits: Option<bool>,
    /// The permissions to grant. The caller must hold all of them.
    #[schema(example = json!(["conversations.view", "messages.view"]))]
    permissions: Option<Vec<String>>,
    /// The permissions that the role does not inherit.
    taken_away: Option<Vec<String>>,
    /// The key of a permission template, in the place of `permissions`.
    template: Option<String>,
}

/// `/api/rbac/roles`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_roles, create_role))
}

/// List the roles.
///
/// The list has the predefined roles and those of the organisation. The highest level comes first.
#[utoipa::path(get, path = "/api/rbac/roles", tag = "rbac", responses((status = 200, body = RoleList)))]
pub(crate) async fn list_roles(permitted: Permitted<RbacView>) -> Result<Json<RoleList>, ApiError> {
    let data = permitted.caller.database().rpc("list_roles", &json!({})).await?;
    Ok(Json(RoleList { data }))
}

/// Create a role.
///
/// The role must be below the caller's level and can only hold permissions that the caller holds. Name the permissions,
/// or the `template` to take them from.
#[utoipa::path(
    post, path = "/api/rbac/roles", tag = "rbac",
    request_body(content = NewRole, example = json!({
        "name": "Kasir", "level": 4, "inherits": false, "permissions": ["conversations.view", "messages.view"]
    })),
    responses(
        (status = 201, body = Role),
        (status = 403, description = "role_too_high, permission_not_held"),
        (status = 409, description = "name_taken"),
    ),
)]
pub(crate) async fn create_role(
    permitted: Permitted<RbacManageRoles>,
    JsonBody(role): JsonBody<NewRole>,
) -> Result<(StatusCode, Json<Role>), ApiError> {
    let arguments = json!({
        "name": required_text("name", &role.name, 100)?,
        "description": optional_text("description", &role.description, 500)?,
        "level": role.level,
        "inherits": role.inherits.unwrap_or(true),
        "permissions": role.permissions,
        "taken_away": role.taken_away,
        "template": role.template,
    });
    Ok(created(
        permitted.caller.database().rpc("create_role", &arguments).await?,
    ))
}
