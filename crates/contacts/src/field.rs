//! `PATCH` and `DELETE /api/crm/fields/{id}`.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::fields::{ContactField, FieldType, checked_choices, checked_name};
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::ContactsManageFields;
use crm_core::routes;

/// Time limit of the call: a change may affect a value of every contact.
const TIME_LIMIT: Duration = Duration::from_secs(55);

/// Changes to a custom field. Fields that are left out stay as they are.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactFieldChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "City")]
    name: Option<String>,
    /// The new type. A change to `text` turns every value into text; other changes need values that fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<FieldType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<i32>,
}

/// `/api/crm/fields/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(update_contact_field, delete_contact_field))
}

/// Change a custom field.
///
/// A change of type to `text` turns every value into text. Any other change is refused with `field_values` while
/// contacts have values that would not fit.
#[utoipa::path(
    patch, path = "/api/crm/fields/{id}", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the custom field")),
    request_body = ContactFieldChanges,
    responses((status = 200, body = ContactField), (status = 409, description = "field_values")),
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

/// Delete a custom field.
///
/// The values that contacts have in this field are deleted as well.
#[utoipa::path(
    delete, path = "/api/crm/fields/{id}", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the custom field")),
    responses((status = 204)),
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
