//! `POST /api/broadcast/templates/{id}/submit`: submits a template to Meta for review.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;
use whatsapp::client::{SendError, SystemToken, TemplateSubmission};

use super::meta_refusal::refusal;
use super::problem::refuse;
use super::reader::Reader;
use super::template::{Template, TemplateRow};
use super::working_copy::WorkingCopy;
use super::{meta_access, sample};
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::TemplatesSubmit;
use crm_core::routes;
use crm_core::text::Text;

/// How long the answer waits, which is within the function's own limit. A longer submission continues, and the template
/// shows its result.
const WAIT_FOR_META: Duration = Duration::from_secs(25);

/// The state in the database when a submission begins.
#[derive(Deserialize)]
struct Begun {
    submission_id: Uuid,
    action: Action,
    session_id: Uuid,
    business_account_id: String,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Create,
    Edit,
    Unpause,
}

/// The result of a submission, as `record_template_submission` expects it.
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
enum Ending {
    Submitted {
        meta_template_id: Option<String>,
        status: Option<String>,
        category: Option<String>,
    },
    Refused,
}

/// `/api/broadcast/templates/{id}/submit`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(submit_template))
}

/// Submit a message template to Meta.
///
/// A draft, a rejected template, or the changes of an approved or paused template can be submitted; a paused template
/// without changes asks Meta to resume it. Every field must be right. The status is 202 if Meta takes long: the
/// template shows the result later.
#[utoipa::path(
    post, path = "/api/broadcast/templates/{id}/submit", tag = "templates",
    params(("id" = Uuid, Path, description = "The id of the message template")),
    responses(
        (status = 200, description = "The template, mostly `PENDING`", body = Template),
        (status = 202, description = "Meta takes long: the template will show what it says", body = Template),
        (status = 409, description = "template_not_editable, template_unchanged, template_edit_limit, template_submitting, template_changed, template_exists, no_connected_number, whatsapp_account_unusable"),
        (status = 422, description = "invalid_field, template_refused"),
        (status = 429, description = "whatsapp_busy"),
        (status = 503, description = "whatsapp_unreachable"),
    ),
)]
pub(crate) async fn submit_template(
    State(app): State<App>,
    permitted: Permitted<TemplatesSubmit>,
    PathId(id): PathId,
    Reader(locale): Reader,
    background: Background,
) -> Result<(StatusCode, Json<Template>), ApiError> {
    let caller = permitted.caller;
    let row = TemplateRow::read(&caller, id).await?;
    let copy = WorkingCopy::of(&row);
    // A template that resumes without changes has been approved before.
    let goes_on = row.status == "PAUSED" && row.draft.is_none();
    let problems = copy.draft().problems();
    if !problems.is_empty() && !goes_on {
        return Err(refuse(&problems));
    }
    if !copy.sample_is_of(caller.access.tenant.id) {
        return Err(ApiError::not_found());
    }
    let arguments = json!({ "template_id": id, "expected": row.updated_at });
    let begun: Begun = caller
        .database()
        .rpc("begin_template_submission", &arguments)
        .await?;

    // Not part of the request's own future: a client that hangs up must not cut a submission from its record.
    let (outcome, settled) = oneshot::channel();
    let submission = Submission {
        app: app.clone(),
        caller,
        row: row.clone(),
        copy,
        begun,
    };
    background.run(async move { drop(outcome.send(submission.run().await)) });
    match timeout(WAIT_FOR_META, settled).await {
        Ok(Ok(recorded)) => Ok((StatusCode::OK, Json(recorded?.into_template(&app, locale)))),
        _ => Ok((StatusCode::ACCEPTED, Json(row.into_template(&app, locale)))),
    }
}

struct Submission {
    app: App,
    caller: Caller,
    row: TemplateRow,
    copy: WorkingCopy,
    begun: Begun,
}

impl Submission {
    async fn run(self) -> Result<TemplateRow, ApiError> {
        let ended = self.ask().await;
        let ending = ended.as_ref().unwrap_or(&Ending::Refused);
        let arguments = json!({
            "submission_id": self.begun.submission_id, "result": ending, "actor": self.caller.access.user_id,
        });
        let recorded = self
            .caller
            .service()
            .rpc::<Option<TemplateRow>>("record_template_submission", &arguments)
            .await;
        ended?;
        recorded?.ok_or_else(ApiError::not_found)
    }

    async fn ask(&self) -> Result<Ending, ApiError> {
        let token = meta_access::token(&self.app, self.begun.session_id).await?;
        if self.begun.action == Action::Unpause {
            let id = self.meta_template_id()?;
            let templates = self
                .app
                .graph()
                .templates(&self.begun.business_account_id, &token);
            templates.unpause(id).await.map_err(|error| refusal(&error))?;
            return Ok(self.state_of(&token, id, "APPROVED").await);
        }
        let handle = sample::handle(&self.app, &self.copy, &self.begun.business_account_id, &token).await?;
        let components = self.copy.components(handle.as_deref());
        match self.begun.action {
            Action::Create => self.create(&token, &components).await,
            _ => self.edit(&token, &components).await,
        }
    }

    async fn create(&self, token: &SystemToken, components: &serde_json::Value) -> Result<Ending, ApiError> {
        let templates = self.app.graph().templates(&self.begun.business_account_id, token);
        let submission = TemplateSubmission {
            name: &self.copy.name,
            language: &self.copy.language,
            category: &self.copy.category,
            parameter_format: self.copy.parameter_format(),
            components,
        };
        let lost = match templates.create(&submission).await {
            Ok(submitted) => {
                return Ok(Ending::Submitted {
                    meta_template_id: Some(submitted.id),
                    status: submitted.status,
                    category: submitted.category,
                });
            }
            Err(lost @ SendError::OutcomeUnknown { .. }) => lost,
            Err(error) => return Err(refusal(&error)),
        };
        // Meta may have stored it even so: names are unique.
        let named = templates.named(&self.copy.name).await.unwrap_or_default();
        let made = named
            .into_iter()
            .find(|template| template.language == self.copy.language);
        match made {
            Some(template) => Ok(Ending::Submitted {
                meta_template_id: Some(template.id),
                status: Some(template.status),
                category: Some(template.category),
            }),
            None => Err(refusal(&lost)),
        }
    }

    async fn edit(&self, token: &SystemToken, components: &serde_json::Value) -> Result<Ending, ApiError> {
        let id = self.meta_template_id()?;
        let templates = self.app.graph().templates(&self.begun.business_account_id, token);
        // Meta refuses a category for an approved template, even the one it has.
        let category = (self.copy.category != self.row.category).then_some(self.copy.category.as_str());
        templates
            .edit(id, components, category)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(self.state_of(token, id, "PENDING").await)
    }

    /// The state of a template that Meta has just accepted, usually `otherwise`.
    async fn state_of(&self, token: &SystemToken, id: &str, otherwise: &str) -> Ending {
        let templates = self.app.graph().templates(&self.begun.business_account_id, token);
        let now = templates.get(id).await.ok();
        Ending::Submitted {
            meta_template_id: None,
            status: Some(
                now.as_ref()
                    .map_or_else(|| otherwise.to_owned(), |now| now.status.clone()),
            ),
            category: now.map(|now| now.category),
        }
    }

    fn meta_template_id(&self) -> Result<&str, ApiError> {
        self.row.meta_template_id.as_deref().ok_or_else(|| {
            ApiError::new(
                StatusCode::CONFLICT,
                "template_not_editable",
                Text::new(
                    "It is not known which WhatsApp template this is. Please synchronise.",
                    "Belum diketahui template WhatsApp yang mana ini. Silakan sinkronkan.",
                ),
            )
        })
    }
}
