//! `POST /api/broadcast/templates`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::template::Step;

use super::input::{TemplateInput, take_apart};
use super::problem::refuse;
use super::reader::Reader;
use super::template::{Template, TemplateRow};
use super::working_copy::WorkingCopy;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::TemplatesCreate;

/// A template to be written.
#[derive(ToSchema)]
pub(crate) struct NewTemplate {
    #[schema(inline)]
    #[serde(flatten)]
    source: Source,
    #[serde(flatten)]
    input: TemplateInput,
}

#[derive(Deserialize, ToSchema)]
struct Source {
    /// Begins as a copy of this template, without what Meta knows of it.
    duplicate_of: Option<Uuid>,
}

impl NewTemplate {
    fn read(body: Map<String, Value>) -> Result<Self, ApiError> {
        let (source, input) = take_apart(body, &["duplicate_of"])?;
        Ok(Self { source, input })
    }
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/api/broadcast/templates", post(create_template))
}

/// Writes a draft. Name, language and category must be right; everything else may wait for the submission, and what is
/// wrong with it is listed in `problems`.
#[utoipa::path(
    post, path = "/api/broadcast/templates", tag = "templates", security(("bearer" = [])),
    request_body(content = NewTemplate, example = json!({
        "name": "order_ready", "language": "id", "category": "UTILITY",
        "content": "Halo {{1}}, pesanan {{2}} sudah siap diambil di toko.", "variables": ["Rina", "KS-1042"],
        "footer": "Kopi Senja", "buttons": [{"type": "QUICK_REPLY", "text": "Terima kasih"}]
    })),
    responses(
        (status = 201, body = Template), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, description = "Nothing to duplicate", body = ErrorBody),
        (status = 409, description = "`template_exists`", body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn create_template(
    State(app): State<App>,
    permitted: Permitted<TemplatesCreate>,
    Reader(locale): Reader,
    JsonBody(body): JsonBody<Map<String, Value>>,
) -> Result<(StatusCode, Json<Template>), ApiError> {
    let caller = &permitted.caller;
    let NewTemplate { source, input } = NewTemplate::read(body)?;
    let mut copy = match source.duplicate_of {
        Some(id) => WorkingCopy::of(&TemplateRow::read(caller, id).await?),
        None => WorkingCopy::new(),
    };
    input.write_over(&mut copy)?;
    let problems = copy.draft().problems_of(Step::Basics);
    if !problems.is_empty() {
        return Err(refuse(&problems));
    }
    let row: TemplateRow = caller
        .database()
        .rpc("create_template", &json!({ "template": copy.stored() }))
        .await?;
    Ok(created(row.into_template(&app, locale)))
}
