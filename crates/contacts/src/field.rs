//! `PATCH` and `DELETE /api/crm/fields/{id}`.

use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::patch;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::fields::{ContactField, FieldType, checked_choices, checked_name};
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::ContactsManageFields;

/// Every contact may have a value that changes.
const TIME_LIMIT: Duration = Duration::from_secs(55);

/// What to change of a field; what is not named stays.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactFieldChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Every value becomes a text; other changes need values that fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<FieldType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<i32>,
}

/// `/api/crm/fields/{id}`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/crm/fields/{id}",
        patch(update_contact_field).delete(delete_contact_field),
    )
}

/// Changes a field.
#[utoipa::path(
    patch, path = "/api/crm/fields/{id}", tag = "contacts", security(("bearer" = [])), params(("id" = Uuid, Path)),
    request_body = ContactFieldChanges,
    responses(
        (status = 200, body = ContactField), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`field_values`: contacts have values that would not fit", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn update_contact_field(
    permitted: Permitted<ContactsManageFields>,
    PathId(id): PathId,
    JsonBody(mut changes): JsonBody<ContactFieldChanges>,
) -> Result<Json<ContactField>, ApiError> {
    if let Some(name) = &mut changes.name {
        *name = checked_name(name)?;
    }
    if let Some(choices) = &mut changes.choices {
        *choices = checked_choices(choices)?;
    }
    let arguments = json!({ "field_id": id, "changes": changes });
    let field = permitted
        .caller
        .database()
        .with_time_limit(TIME_LIMIT)
        .rpc("update_contact_field", &arguments)
        .await?;
    Ok(Json(field))
}

/// Ends a field, and the values that contacts have of it.
#[utoipa::path(
    delete, path = "/api/crm/fields/{id}", tag = "contacts", security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses(
        (status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
)]
pub(crate) async fn delete_contact_field(
    permitted: Permitted<ContactsManageFields>,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    permitted
        .caller
        .database()
        .with_time_limit(TIME_LIMIT)
        .rpc::<()>("delete_contact_field", &json!({ "field_id": id }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
