//! `GET` and `PUT /api/rbac/users/{id}`: the roles of one person.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::{Permitted, RoleSummary};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{RbacManageUsers, RbacView};
use crm_core::routes;

/// The roles of a person, and the permissions that follow from them.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct UserAccess {
    user_id: Uuid,
    #[schema(example = "Putri Ayu")]
    display_name: String,
    active: bool,
    roles: Vec<RoleSummary>,
    /// The permissions of all the roles together.
    #[schema(example = json!(["conversations.view", "messages.send"]))]
    permissions: Vec<String>,
}

/// New roles of a person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserRoles {
    /// At least one role; they replace the former ones.
    role_ids: Vec<Uuid>,
}

/// `/api/rbac/users/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_user_access, set_user_roles))
}

/// Get the roles and permissions of one person.
///
/// The permissions are those that the roles hold together.
#[utoipa::path(
    get, path = "/api/rbac/users/{id}", tag = "rbac",
    params(("id" = Uuid, Path, description = "The id of the person")),
    responses((status = 200, body = UserAccess)),
)]
pub(crate) async fn get_user_access(
    permitted: Permitted<RbacView>,
    PathId(id): PathId,
) -> Result<Json<UserAccess>, ApiError> {
    let access: Option<UserAccess> = permitted
        .caller
        .database()
        .rpc("get_user_access", &json!({ "user_id": id }))
        .await?;
    access.map(Json).ok_or_else(ApiError::not_found)
}

/// Replace the roles of a person.
///
/// The person must be below the caller's level, and so must the new roles.
#[utoipa::path(
    put, path = "/api/rbac/users/{id}", tag = "rbac",
    params(("id" = Uuid, Path, description = "The id of the person")),
    request_body = UserRoles,
    responses(
        (status = 200, body = UserAccess),
        (status = 403, description = "own_account, role_too_high, permission_not_held"),
        (status = 409, description = "last_super_admin"),
    ),
)]
pub(crate) async fn set_user_roles(
    permitted: Permitted<RbacManageUsers>,
    PathId(id): PathId,
    JsonBody(UserRoles { role_ids }): JsonBody<UserRoles>,
) -> Result<Json<UserAccess>, ApiError> {
    let arguments = json!({ "user_id": id, "role_ids": role_ids });
    Ok(Json(
        permitted
            .caller
            .database()
            .rpc("set_user_roles", &arguments)
            .await?,
    ))
}
