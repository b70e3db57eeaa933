//! `POST /api/broadcast/templates/preview`: how a template looks, and what is wrong with it. Nothing is stored.

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::template::{HeaderFormat, LIMITS, Limits, Preview, Step, Variables};

use super::input::{TemplateInput, take_apart};
use super::problem::TemplateProblem;
use super::reader::Reader;
use super::template::TemplateRow;
use super::working_copy::WorkingCopy;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::JsonBody;
use crm_core::permissions::TemplatesView;

/// What to look at: a template that is stored, one that is being written, or both, the second over the first.
#[derive(ToSchema)]
pub(crate) struct PreviewRequest {
    #[schema(inline)]
    #[serde(flatten)]
    question: Question,
    #[serde(flatten)]
    input: TemplateInput,
}

#[derive(Deserialize, ToSchema)]
struct Question {
    template_id: Option<Uuid>,
    /// `basics`, `header`, `body`, `buttons`, `examples` or `review`: what to check. By default everything.
    #[schema(value_type = Option<String>)]
    step: Option<Step>,
    /// Values for the variables, as campaigns take them: a list (header, body, buttons) or a map by name. Examples stand in
    /// for those that are not given.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    values: Variables,
}

impl PreviewRequest {
    fn read(body: Map<String, Value>) -> Result<Self, ApiError> {
        let (question, input) = take_apart(body, &["template_id", "step", "values"])?;
        Ok(Self { question, input })
    }
}

/// How a template looks, and whether it could be submitted.
#[derive(Serialize, ToSchema)]
pub(crate) struct TemplatePreview {
    /// Nothing is wrong with the step, or with anything.
    valid: bool,
    problems: Vec<TemplateProblem>,
    /// `header`, `body` and `footer` with texts and their formatted spans, `buttons`, and `missing` variables.
    #[schema(value_type = Object)]
    preview: Preview,
    /// What Meta takes at most.
    #[schema(value_type = Object)]
    limits: Limits,
}

/// `/api/broadcast/templates/preview`.
pub fn router() -> Router<App> {
    Router::new()
        .route("/api/broadcast/templates/preview", post(preview_template))
        .layer(DefaultBodyLimit::max(super::MAX_BODY))
}

/// Checks one step of a template, or all of it, and shows it as its recipient would see it.
#[utoipa::path(
    post, path = "/api/broadcast/templates/preview", tag = "templates", security(("bearer" = [])),
    request_body(content = PreviewRequest, example = json!({
        "step": "body", "content": "Halo {{1}}, pesanan *{{2}}* sudah siap diambil.", "values": ["Rina", "KS-1042"]
    })),
    responses(
        (status = 200, body = TemplatePreview), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn preview_template(
    State(app): State<App>,
    permitted: Permitted<TemplatesView>,
    Reader(locale): Reader,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<Json<TemplatePreview>, ApiError> {
    let PreviewRequest { question, input } = PreviewRequest::read(body)?;
    let mut copy = match question.template_id {
        Some(id) => WorkingCopy::of(&TemplateRow::read(&permitted.caller, id).await?),
        None => WorkingCopy::new(),
    };
    input.write_over(&mut copy)?;
    let problems = copy.draft().problems_of(question.step.unwrap_or(Step::Review));
    let mut preview = copy.draft().preview(&question.values);
    if let Some(header) = &mut preview.header
        && header.format != HeaderFormat::Text
        && header.file.is_none()
        && copy.sample_is_of(permitted.caller.access.tenant.id)
    {
        header.file = copy.sample_url(&app.config().supabase.url);
    }
    Ok(Json(TemplatePreview {
        valid: problems.is_empty(),
        problems: TemplateProblem::list(&problems, locale),
        preview,
        limits: LIMITS,
    }))
}
