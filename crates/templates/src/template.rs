//! `GET /api/broadcast/templates/{id}`, and a template as clients see it.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::error_codes::Locale;
use whatsapp::template::{Button, TemplateDefinition, explain_rejection};

use super::problem::TemplateProblem;
use super::reader::Reader;
use super::working_copy::WorkingCopy;
use crm_core::app::App;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::TemplatesView;
use crm_core::routes;

/// A template as it is stored.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct TemplateRow {
    pub(super) id: Uuid,
    #[serde(rename = "meta_business_account_id")]
    pub(super) business_account_id: Option<String>,
    pub(super) meta_template_id: Option<String>,
    pub(super) name: String,
    pub(super) language: String,
    pub(super) category: String,
    previous_category: Option<String>,
    pub(super) status: String,
    parameter_format: String,
    pub(super) components: Value,
    pub(super) draft: Option<DraftRow>,
    pub(super) sample_path: Option<String>,
    pub(super) sample_handle: Option<String>,
    rejected_reason: Option<String>,
    quality_score: Option<String>,
    status_detail: Option<String>,
    upcoming_category: Option<String>,
    upcoming_category_at: Option<DateTime<Utc>>,
    submitting: bool,
    next_edit_at: Option<DateTime<Utc>>,
    submitted_at: Option<DateTime<Utc>>,
    deleted_at: Option<DateTime<Utc>>,
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// Changes that were not submitted to Meta yet.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct DraftRow {
    pub(super) category: Option<String>,
    pub(super) components: Value,
    pub(super) sample_path: Option<String>,
    pub(super) sample_handle: Option<String>,
}

crm_core::words! {
    /// The form of a template's variables.
    pub(crate) ParameterFormat = "POSITIONAL", "NAMED";
}

/// A message template. Its parts include the changes that were not submitted yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Template {
    id: Uuid,
    /// The WhatsApp Business account of the template.
    #[schema(example = "102290129340398")]
    business_account_id: Option<String>,
    /// Meta's id as text, because it exceeds the exact range of JSON numbers.
    #[schema(example = "1234567890123456")]
    meta_template_id: Option<String>,
    #[schema(example = "order_ready")]
    name: String,
    #[schema(example = "id")]
    language: String,
    /// `MARKETING`, `UTILITY` or `AUTHENTICATION`
    #[schema(value_type = crm_core::words::TemplateCategory)]
    category: String,
    /// The category before Meta changed it.
    previous_category: Option<String>,
    /// `DRAFT`, `DELETED`, or Meta's status: `PENDING`, `APPROVED`, `REJECTED`, `PAUSED`, `DISABLED` and others.
    #[schema(example = "APPROVED")]
    status: String,
    /// Meta's detail of the status, for example the end of a pause.
    status_detail: Option<String>,
    /// The category to which Meta will move the template.
    upcoming_category: Option<String>,
    upcoming_category_at: Option<DateTime<Utc>>,
    /// Meta's reason for a rejection, as a code.
    rejected_reason: Option<String>,
    /// The reason as a sentence.
    rejected_reason_text: Option<&'static str>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`
    #[schema(example = "GREEN")]
    quality_score: Option<String>,
    /// `POSITIONAL` or `NAMED`
    #[schema(value_type = ParameterFormat)]
    parameter_format: String,
    header: HeaderView,
    /// The body.
    #[schema(example = "Halo {{1}}, pesanan {{2}} sudah siap diambil di toko.")]
    content: String,
    #[schema(example = "Kopi Senja")]
    footer: String,
    #[schema(value_type = Vec<Object>, example = json!([{"type": "QUICK_REPLY", "text": "Terima kasih"}]))]
    buttons: Vec<Value>,
    /// The variables that a message of this template needs: `name`, `kind` and `example`.
    #[schema(value_type = Vec<Object>, example = json!([{"name": "1", "kind": "text", "example": "Rina"}]))]
    variables: Vec<whatsapp::template::Variable>,
    /// Authentication templates: whether the body warns not to share the code.
    add_security_recommendation: bool,
    /// Authentication templates: the minutes of validity that the footer states.
    code_expiration_minutes: Option<u32>,
    /// The version at Meta that campaigns send, in the format of Meta's API. For a draft, the version that would be
    /// submitted.
    #[schema(value_type = Vec<Object>, example = json!([{"type": "BODY", "text": "Halo {{1}}, pesanan {{2}} sudah siap diambil di toko."}]))]
    components: Value,
    /// Whether there are changes that were not submitted.
    has_changes: bool,
    /// Problems that must be solved before it can be submitted.
    #[schema(example = json!([]))]
    problems: Vec<TemplateProblem>,
    /// Whether it is being submitted at this moment.
    submitting: bool,
    /// When Meta accepts the next edit of this approved template. Null: now.
    next_edit_at: Option<DateTime<Utc>>,
    submitted_at: Option<DateTime<Utc>>,
    deleted_at: Option<DateTime<Utc>>,
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

crm_core::words! {
    /// The format of a header.
    pub(crate) HeaderFormatName = "NONE", "TEXT", "IMAGE", "VIDEO", "GIF", "DOCUMENT", "LOCATION";
}

/// The header, which stands above the body.
#[derive(Debug, Serialize, ToSchema)]
struct HeaderView {
    /// `NONE`, `TEXT`, `IMAGE`, `VIDEO`, `GIF`, `DOCUMENT` or `LOCATION`
    #[schema(value_type = HeaderFormatName)]
    format: &'static str,
    #[schema(example = "Pesanan siap")]
    text: String,
    #[schema(example = "")]
    example: String,
    sample_path: Option<String>,
    /// The address of the sample file.
    sample_url: Option<String>,
}

impl TemplateRow {
    /// Reads the template with this id, if the caller may see it.
    pub(super) async fn read(caller: &Caller, id: Uuid) -> Result<Self, ApiError> {
        let row: Option<Self> = caller
            .database()
            .rpc("get_template", &json!({ "template_id": id }))
            .await?;
        row.ok_or_else(ApiError::not_found)
    }

    pub(super) fn into_template(self, app: &App, locale: Locale) -> Template {
        let copy = WorkingCopy::of(&self);
        let problems = if self.draft.is_some() || self.is_unsubmitted() {
            copy.draft().problems()
        } else {
            Vec::new()
        };
        let variables = TemplateDefinition::parse(&self.components);
        let reason = self.rejected_reason.filter(|reason| reason != "NONE");
        Template {
            header: HeaderView {
                format: copy.composition.header.format.name(),
                text: copy.composition.header.text.clone(),
                example: copy.composition.header.example.clone(),
                sample_path: copy.sample_path.clone(),
                sample_url: copy.sample_url(&app.config().supabase.url),
            },
            problems: TemplateProblem::list(&problems, locale),
            variables: variables.map_or_else(|_| Vec::new(), |definition| definition.variables().to_vec()),
            rejected_reason_text: reason
                .as_deref()
                .and_then(|reason| explain_rejection(reason, locale)),
            rejected_reason: reason,
            content: copy.composition.body,
            footer: copy.composition.footer,
            buttons: copy.composition.buttons.iter().map(Button::write).collect(),
            add_security_recommendation: copy.composition.security_recommendation,
            code_expiration_minutes: copy.composition.code_expiration_minutes,
            has_changes: self.draft.is_some(),
            category: copy.category,
            id: self.id,
            business_account_id: self.business_account_id,
            meta_template_id: self.meta_template_id,
            name: self.name,
            language: self.language,
            previous_category: self.previous_category,
            status: self.status,
            quality_score: self.quality_score,
            status_detail: self.status_detail,
            upcoming_category: self.upcoming_category,
            upcoming_category_at: self.upcoming_category_at,
            parameter_format: self.parameter_format,
            components: self.components,
            submitting: self.submitting,
            next_edit_at: self.next_edit_at,
            submitted_at: self.submitted_at,
            deleted_at: self.deleted_at,
            created_by: self.created_by,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// Whether Meta has never had the template in review or approved.
    fn is_unsubmitted(&self) -> bool {
        matches!(self.status.as_str(), "DRAFT" | "REJECTED")
    }
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(get_template))
}

/// Get one message template.
///
/// The parts are as they would be submitted, with the changes that were made since Meta last got the template.
#[utoipa::path(
    get, path = "/api/broadcast/templates/{id}", tag = "templates",
    params(("id" = Uuid, Path, description = "The id of the message template")),
    responses((status = 200, body = Template)),
)]
pub(crate) async fn get_template(
    State(app): State<App>,
    permitted: Permitted<TemplatesView>,
    PathId(id): PathId,
    Reader(locale): Reader,
) -> Result<Json<Template>, ApiError> {
    let row = TemplateRow::read(&permitted.caller, id).await?;
    Ok(Json(row.into_template(&app, locale)))
}
