//! `GET` and `PUT /api/rbac/users/{id}`: the roles of one person.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::caller::{Permitted, RoleSummary};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{RbacManageUsers, RbacView};

/// Somebody's roles and what follows from them.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct UserAccess {
    user_id: Uuid,
    display_name: String,
    active: bool,
    roles: Vec<RoleSummary>,
    /// What the roles hold together.
    permissions: Vec<String>,
}

/// The roles somebody shall have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserRoles {
    /// At least one, in place of those they have.
    role_ids: Vec<Uuid>,
}

/// `/api/rbac/users/{id}`.
pub fn router() -> Router<App> {
    Router::new().route("/api/rbac/users/{id}", get(get_user_access).put(set_user_roles))
}

/// The roles and permissions of one person.
#[utoipa::path(
    get, path = "/api/rbac/users/{id}", tag = "rbac", security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = UserAccess), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
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

/// Gives a person of lower level these roles, in place of those they have.
#[utoipa::path(
    put, path = "/api/rbac/users/{id}", tag = "rbac", security(("bearer" = [])), params(("id" = Uuid, Path)),
    request_body = UserRoles,
    responses(
        (status = 200, body = UserAccess), (status = 401, body = ErrorBody),
        (status = 403, description = "`forbidden`, `own_account`, `role_too_high` or `permission_not_held`", body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`last_super_admin`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
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
