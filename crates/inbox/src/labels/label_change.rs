//! `PATCH` and `DELETE /api/crm/labels/{id}`.

use axum::http::StatusCode;
use axum::routing::patch;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::label::{LONGEST_DESCRIPTION, LONGEST_NAME, Label, check_color};
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::field_rules::{optional_text, required_text};
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{LabelsDelete, LabelsUpdate};

/// What to change; what is not named stays.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 50)]
    name: Option<String>,
    /// `#rrggbb`
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    description: Option<String>,
}

/// `/api/crm/labels/{id}`.
pub fn router() -> Router<App> {
    Router::new().route("/api/crm/labels/{id}", patch(update_label).delete(delete_label))
}

/// Renames or recolours a label, wherever it is worn.
#[utoipa::path(
    patch, path = "/api/crm/labels/{id}", tag = "labels", security(("bearer" = [])),
    params(("id" = Uuid, Path)), request_body = LabelChanges,
    responses(
        (status = 200, body = Label),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`name_taken`", body = ErrorBody),
        (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
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

/// Removes a label from everything that wears it.
#[utoipa::path(
    delete, path = "/api/crm/labels/{id}", tag = "labels", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
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
