//! `GET` and `POST /api/crm/labels`.

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
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::{LabelsCreate, LabelsView};
use crm_core::routes;

/// The labels of the tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct Labels {
    /// The labels, sorted by name.
    data: Vec<Label>,
    total: usize,
}

/// A label to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLabel {
    #[schema(max_length = 50, example = "VIP")]
    name: String,
    /// `#rrggbb`
    #[schema(example = "#dc2626")]
    color: Option<String>,
    #[schema(max_length = 200)]
    description: Option<String>,
}

/// `/api/crm/labels`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_labels, create_label))
}

/// List the labels.
///
/// The labels are sorted by name. Each has the number of conversations and contacts that use it, as far as the caller
/// may see them.
#[utoipa::path(get, path = "/api/crm/labels", tag = "labels", responses((status = 200, body = Labels)))]
pub(crate) async fn list_labels(permitted: Permitted<LabelsView>) -> Result<Json<Labels>, ApiError> {
    let data: Vec<Label> = permitted.caller.database().rpc("list_labels", &json!({})).await?;
    Ok(Json(Labels {
        total: data.len(),
        data,
    }))
}

/// Create a label.
///
/// Names are compared without regard to upper and lower case.
#[utoipa::path(
    post, path = "/api/crm/labels", tag = "labels",
    request_body(content = NewLabel, example = json!({"name": "VIP", "color": "#dc2626"})),
    responses((status = 201, body = Label), (status = 409, description = "name_taken, too_many")),
)]
pub(crate) async fn create_label(
    permitted: Permitted<LabelsCreate>,
    JsonBody(label): JsonBody<NewLabel>,
) -> Result<(StatusCode, Json<Label>), ApiError> {
    if let Some(color) = &label.color {
        check_color(color)?;
    }
    let description = optional_text(
        "description",
        label.description.as_deref().unwrap_or_default(),
        LONGEST_DESCRIPTION,
    )?;
    let arguments = json!({
        "name": required_text("name", &label.name, LONGEST_NAME)?, "color": label.color, "description": description,
    });
    let database = permitted.caller.database();
    Ok(created(database.rpc("create_label", &arguments).await?))
}
