//! `PUT` and `PATCH /api/broadcast/templates/{id}`.

use axum::extract::State;
use axum::routing::put;
use axum::{Json, Router};
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
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::TemplatesUpdate;

pub(super) fn router() -> Router<App> {
    Router::new().route(
        "/api/broadcast/templates/{id}",
        put(update_template).patch(change_template),
    )
}

/// Changes a template; what is left out stays. A draft changes at once; changes of what Meta has (approved, rejected or
/// paused) wait for the submission, and campaigns go on with what was approved.
#[utoipa::path(
    put, path = "/api/broadcast/templates/{id}", tag = "templates", security(("bearer" = [])),
    params(("id" = Uuid, Path)), request_body = TemplateInput,
    responses(
        (status = 200, body = Template), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, description = "`template_not_editable`, `template_exists`, `template_changed` or \
            `template_submitting`", body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
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

/// The same as `PUT`.
#[utoipa::path(
    patch, path = "/api/broadcast/templates/{id}", tag = "templates", security(("bearer" = [])),
    params(("id" = Uuid, Path)), request_body = TemplateInput,
    responses(
        (status = 200, body = Template), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
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
