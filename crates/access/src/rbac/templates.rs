//! `/api/rbac/templates`: permission templates, which are named sets of permissions that can be applied to roles.

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::{optional_text, required_text};
use crm_core::json_body::{JsonBody, QueryParameters};
use crm_core::permissions::{RbacManagePermissions, RbacView};
use crm_core::routes;
use crm_core::text::Text;

/// A permission template: a predefined one, or one of the tenant's own.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct PermissionTemplate {
    id: Uuid,
    #[schema(example = "customer_service")]
    key: String,
    #[schema(example = "Customer service")]
    name: String,
    #[schema(example = "Layanan pelanggan")]
    name_id: String,
    #[schema(example = "Answers customers")]
    description: String,
    #[schema(example = "Menjawab pelanggan")]
    description_id: String,
    #[schema(example = json!(["conversations.view", "messages.send"]))]
    permissions: Vec<String>,
    predefined: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The permission templates of a tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct PermissionTemplateList {
    data: Vec<PermissionTemplate>,
}

/// A permission template to be created, or to replace the one with the same key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPermissionTemplate {
    /// Lower-case letters, digits and `_`, beginning with a letter.
    #[schema(example = "front_desk")]
    key: String,
    #[schema(example = "Front desk")]
    name: String,
    #[serde(default)]
    description: String,
    #[schema(example = json!(["conversations.view", "messages.send"]))]
    permissions: Vec<String>,
}

/// The permission template to delete.
#[derive(Deserialize)]
pub(crate) struct TemplateKey {
    key: String,
}

/// `/api/rbac/templates`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(
        list_permission_templates,
        save_permission_template,
        delete_permission_template
    ))
}

/// List the permission templates.
///
/// A permission template is a named set of permissions. `PATCH /api/rbac/roles/{id}` with `template` applies one to a
/// role.
#[utoipa::path(
    get, path = "/api/rbac/templates", tag = "rbac",
    responses((status = 200, body = PermissionTemplateList)),
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

/// Create or replace a permission template.
///
/// A template of the organisation with the same key is replaced. Roles that the old one was applied to stay as they
/// are.
#[utoipa::path(
    post, path = "/api/rbac/templates", tag = "rbac",
    request_body = NewPermissionTemplate,
    responses(
        (status = 200, body = PermissionTemplate),
        (status = 403, description = "permission_not_held"),
        (status = 409, description = "name_taken"),
    ),
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

/// Delete a permission template.
///
/// Only templates of the organisation can be deleted. Roles that it was applied to stay as they are.
#[utoipa::path(
    delete, path = "/api/rbac/templates", tag = "rbac",
    params(("key" = String, Query, description = "The key of the template")),
    responses((status = 204), (status = 404, description = "not_found")),
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
