//! `POST /api/broadcast/templates/preview`: previews and checks a template. It stores nothing.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
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
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::permissions::TemplatesView;
use crm_core::routes;

/// The template to preview: a stored one, one that is being written, or a stored one with changes.
#[derive(ToSchema)]
pub(crate) struct PreviewRequest {
    #[schema(inline)]
    #[serde(flatten)]
    question: Question,
    #[serde(flatten)]
    input: TemplateInput,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = TemplateQuestion)]
struct Question {
    /// The id of the stored template.
    template_id: Option<Uuid>,
    /// The step to check: `basics`, `header`, `body`, `buttons`, `examples` or `review`. Everything if left out.
    #[schema(value_type = Option<super::problem::TemplateStep>)]
    step: Option<Step>,
    /// Values of the variables, as for campaigns: a list (header, body, buttons) or an object by name. Missing values
    /// are replaced by the examples.
    #[serde(default)]
    #[schema(value_type = Value)]
    values: Variables,
}

impl PreviewRequest {
    fn read(body: Map<String, Value>) -> Result<Self, ApiError> {
        let (question, input) = take_apart(body, &["template_id", "step", "values"])?;
        Ok(Self { question, input })
    }
}

/// The preview of a template, with its problems.
#[derive(Serialize, ToSchema)]
pub(crate) struct TemplatePreview {
    /// Whether the step, or the whole template, has no problems.
    valid: bool,
    problems: Vec<TemplateProblem>,
    /// `header`, `body` and `footer` with texts and their formatted spans, `buttons`, and `missing` variables.
    #[schema(value_type = Object, example = json!({"header": null, "body": {"text": "Halo Rina", "spans": []}, "footer": null, "buttons": [], "missing": []}))]
    preview: Preview,
    /// Meta's limits.
    #[schema(value_type = Object, example = json!({"body": 1024, "footer": 60}))]
    limits: Limits,
}

/// `/api/broadcast/templates/preview`.
pub fn router() -> Routes {
    Routes::new()
        .routes(routes!(preview_template))
        .layer(DefaultBodyLimit::max(super::MAX_BODY))
}

/// Preview a message template.
///
/// One step of the template, or all of it, is checked and shown as its recipient would see it. Nothing is saved.
#[utoipa::path(
    post, path = "/api/broadcast/templates/preview", tag = "templates",
    request_body(content = PreviewRequest, example = json!({
        "step": "body", "content": "Halo {{1}}, pesanan *{{2}}* sudah siap diambil.", "values": ["Rina", "KS-1042"]
    })),
    responses((status = 200, body = TemplatePreview), (status = 404, description = "not_found")),
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
