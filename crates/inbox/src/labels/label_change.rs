//! `PATCH` and `DELETE /api/crm/labels/{id}`.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::label::{LONGEST_DESCRIPTION, LONGEST_NAME, Label, check_color};
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::{optional_text, required_text};
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{LabelsDelete, LabelsUpdate};
use crm_core::routes;

/// Changes to a label. Fields that are left out stay as they are.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 50, example = "VIP")]
    name: Option<String>,
    /// `#rrggbb`
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    description: Option<String>,
}

/// `/api/crm/labels/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(update_label, delete_label))
}

/// Change a label.
///
/// A new name or colour shows wherever the label is used. Fields that are left out stay as they are.
#[utoipa::path(
    patch, path = "/api/crm/labels/{id}", tag = "labels",
    params(("id" = Uuid, Path, description = "The id of the label")),
    request_body = LabelChanges,
    responses((status = 200, body = Label), (status = 409, description = "name_taken")),
)]
pub(crate) async fn update_label(
    permitted: Permitted<LabelsUpdate>,
    PathId(id): PathId,
    JsonBody(mut changes): JsonBody<LabelChanges>,
) -> Result<Json<Label>, ApiError> {
    if let Some(name) = &changes.name {
        changes.name = Some(required_text("name", name, LONGEST_NAME)?);
    }
    if let Some(color) = &changes.color {
        check_color(color)?;
    }
    if let Some(description) = &changes.description {
        changes.description = Some(optional_text("description", description, LONGEST_DESCRIPTION)?);
    }
    let arguments = json!({ "label_id": id, "changes": changes });
    let database = permitted.caller.database();
    Ok(Json(database.rpc("update_label", &arguments).await?))
}

/// Delete a label.
///
/// The label is removed from every conversation and contact that has it.
#[utoipa::path(
    delete, path = "/api/crm/labels/{id}", tag = "labels",
    params(("id" = Uuid, Path, description = "The id of the label")),
    responses((status = 204)),
)]
pub(crate) async fn delete_label(
    permitted: Permitted<LabelsDelete>,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    permitted
        .caller
        .database()
        .rpc::<()>("delete_label", &json!({ "label_id": id }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
