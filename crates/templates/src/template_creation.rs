//! `POST /api/broadcast/templates`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
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
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::TemplatesCreate;
use crm_core::routes;

/// A template to be created.
#[derive(ToSchema)]
pub(crate) struct NewTemplate {
    #[schema(inline)]
    #[serde(flatten)]
    source: Source,
    #[serde(flatten)]
    input: TemplateInput,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = TemplateSource)]
struct Source {
    /// The template to copy, without its data from Meta.
    duplicate_of: Option<Uuid>,
}

impl NewTemplate {
    fn read(body: Map<String, Value>) -> Result<Self, ApiError> {
        let (source, input) = take_apart(body, &["duplicate_of"])?;
        Ok(Self { source, input })
    }
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(create_template))
}

/// Create a draft of a message template.
///
/// Name, language and category must be right. Everything else can be completed before the template is submitted;
/// `problems` lists what is still wrong. With `duplicate_of` the draft begins as a copy.
#[utoipa::path(
    post, path = "/api/broadcast/templates", tag = "templates",
    request_body(content = NewTemplate, example = json!({
        "name": "order_ready", "language": "id", "category": "UTILITY",
        "content": "Halo {{1}}, pesanan {{2}} sudah siap diambil di toko.", "variables": ["Rina", "KS-1042"],
        "footer": "Kopi Senja", "buttons": [{"type": "QUICK_REPLY", "text": "Terima kasih"}]
    })),
    responses(
        (status = 201, body = Template),
        (status = 404, description = "not_found"),
        (status = 409, description = "template_exists"),
    ),
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
