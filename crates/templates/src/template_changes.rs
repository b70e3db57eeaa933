//! `PUT` and `PATCH /api/broadcast/templates/{id}`.

use axum::Json;
use axum::extract::State;
use serde_json::json;
use uuid::Uuid;
use whatsapp::error_codes::Locale;
use whatsapp::template::Step;

use super::input::TemplateInput;
use super::problem::refuse;
use super::reader::Reader;
use super::template::{Template, TemplateRow};
use super::working_copy::WorkingCopy;
use crm_core::app::App;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::TemplatesUpdate;
use crm_core::routes;

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(update_template, change_template))
}

/// Change a message template.
///
/// Fields that are left out stay as they are. A draft changes at once. Changes of a template that Meta has (approved,
/// rejected or paused) wait until they are submitted, and campaigns continue with the approved version.
#[utoipa::path(
    put, path = "/api/broadcast/templates/{id}", tag = "templates",
    params(("id" = Uuid, Path, description = "The id of the message template")),
    request_body = TemplateInput,
    responses(
        (status = 200, body = Template),
        (status = 409, description = "template_not_editable, template_exists, template_changed, template_submitting"),
    ),
)]
pub(crate) async fn update_template(
    State(app): State<App>,
    permitted: Permitted<TemplatesUpdate>,
    PathId(id): PathId,
    Reader(locale): Reader,
    JsonBody(input): JsonBody<TemplateInput>,
) -> Result<Json<Template>, ApiError> {
    change(&app, &permitted.caller, id, input, locale).await
}

/// Change a message template (`PATCH`).
///
/// The same as `PUT`: fields that are left out stay as they are.
#[utoipa::path(
    patch, path = "/api/broadcast/templates/{id}", tag = "templates",
    params(("id" = Uuid, Path, description = "The id of the message template")),
    request_body = TemplateInput,
    responses(
        (status = 200, body = Template),
        (status = 409, description = "template_not_editable, template_exists, template_changed, template_submitting"),
    ),
)]
pub(crate) async fn change_template(
    State(app): State<App>,
    permitted: Permitted<TemplatesUpdate>,
    PathId(id): PathId,
    Reader(locale): Reader,
    JsonBody(input): JsonBody<TemplateInput>,
) -> Result<Json<Template>, ApiError> {
    change(&app, &permitted.caller, id, input, locale).await
}

async fn change(
    app: &App,
    caller: &Caller,
    id: Uuid,
    input: TemplateInput,
    locale: Locale,
) -> Result<Json<Template>, ApiError> {
    let row = TemplateRow::read(caller, id).await?;
    let mut copy = WorkingCopy::of(&row);
    input.write_over(&mut copy)?;
    let problems = copy.draft().problems_of(Step::Basics);
    if !problems.is_empty() {
        return Err(refuse(&problems));
    }
    let arguments = json!({ "template_id": id, "template": copy.stored(), "expected": row.updated_at });
    let row: TemplateRow = caller.database().rpc("update_template", &arguments).await?;
    Ok(Json(row.into_template(app, locale)))
}
