//! `/api/rbac/templates`: named sets of permissions, to be applied to roles.

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::field_rules::{optional_text, required_text};
use crm_core::json_body::{JsonBody, QueryParameters};
use crm_core::permissions::{RbacManagePermissions, RbacView};
use crm_core::text::Text;

/// A named set of permissions: predefined, or of the tenant's own.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct PermissionTemplate {
    id: Uuid,
    #[schema(example = "customer_service")]
    key: String,
    name: String,
    name_id: String,
    description: String,
    description_id: String,
    permissions: Vec<String>,
    predefined: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The templates of a tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct PermissionTemplateList {
    data: Vec<PermissionTemplate>,
}

/// A template to be made, or put in the place of the one with its key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPermissionTemplate {
    /// Lower-case letters, digits and `_`, beginning with a letter.
    key: String,
    name: String,
    #[serde(default)]
    description: String,
    permissions: Vec<String>,
}

/// Which template.
#[derive(Deserialize)]
pub(crate) struct TemplateKey {
    key: String,
}

/// `/api/rbac/templates`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/rbac/templates",
        get(list_permission_templates)
            .post(save_permission_template)
            .delete(delete_permission_template),
    )
}

/// The predefined templates and those of the tenant. `PATCH /api/rbac/roles/{id}` with `template` applies one.
#[utoipa::path(
    get, path = "/api/rbac/templates", tag = "rbac", security(("bearer" = [])),
    responses(
        (status = 200, body = PermissionTemplateList), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    )
)]
pub(crate) async fn list_permission_templates(
    permitted: Permitted<RbacView>,
) -> Result<Json<PermissionTemplateList>, ApiError> {
    let data = permitted
        .caller
        .database()
        .rpc("list_permission_templates", &json!({}))
        .await?;
    Ok(Json(PermissionTemplateList { data }))
}

/// Makes a template of the tenant's own, or replaces the one with this key. Roles it was applied to stay as they are.
#[utoipa::path(
    post, path = "/api/rbac/templates", tag = "rbac", security(("bearer" = [])),
    request_body = NewPermissionTemplate,
    responses(
        (status = 200, body = PermissionTemplate), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 409, description = "`name_taken`: a predefined one has this key", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn save_permission_template(
    permitted: Permitted<RbacManagePermissions>,
    JsonBody(template): JsonBody<NewPermissionTemplate>,
) -> Result<Json<PermissionTemplate>, ApiError> {
    let well_formed = template.key.len() <= 63
        && template.key.starts_with(|first: char| first.is_ascii_lowercase())
        && template
            .key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !well_formed {
        return Err(ApiError::field(
            "key",
            Text::new(
                "must have lower-case letters, digits and _, and begin with a letter",
                "harus terdiri dari huruf kecil, angka, dan _, dan diawali huruf",
            ),
        ));
    }
    let arguments = json!({
        "key": template.key,
        "name": required_text("name", &template.name, 100)?,
        "description": optional_text("description", &template.description, 500)?,
        "permissions": template.permissions,
    });
    Ok(Json(
        permitted
            .caller
            .database()
            .rpc("save_permission_template", &arguments)
            .await?,
    ))
}

/// Deletes a template of the tenant's own. Roles it was applied to stay as they are.
#[utoipa::path(
    delete, path = "/api/rbac/templates", tag = "rbac", security(("bearer" = [])), params(("key" = String, Query)),
    responses(
        (status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn delete_permission_template(
    permitted: Permitted<RbacManagePermissions>,
    QueryParameters(TemplateKey { key }): QueryParameters<TemplateKey>,
) -> Result<StatusCode, ApiError> {
    permitted
        .caller
        .database()
        .rpc::<()>("delete_permission_template", &json!({ "key": key }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
