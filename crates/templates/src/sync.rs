//! `POST /api/broadcast/templates/sync`: synchronises templates from Meta.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::client::RemoteTemplate;

use super::meta_access;
use super::meta_refusal::refusal;
use crm_core::app::App;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::permissions::TemplatesSync;
use crm_core::routes;

/// The result of a synchronisation.
#[derive(Serialize, ToSchema)]
pub(crate) struct SyncResult {
    /// The number of templates at Meta, in all accounts.
    total: usize,
    /// The number of templates that were new here.
    added: u64,
    /// The number of templates whose status, category, quality or content changed.
    changed: u64,
    /// The number of templates that Meta no longer has.
    removed: u64,
    /// The WhatsApp Business accounts that were read.
    #[schema(example = json!(["102290129340398"]))]
    accounts: Vec<String>,
}

#[derive(Deserialize)]
struct Begun {
    started_at: DateTime<Utc>,
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    business_account_id: String,
    session_id: Uuid,
}

#[derive(Deserialize)]
struct Counts {
    added: u64,
    changed: u64,
    removed: u64,
}

/// `/api/broadcast/templates/sync`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(sync_templates))
}

/// Synchronise the message templates with Meta.
///
/// Every template of the connected WhatsApp Business accounts is read. New templates are added, known ones follow
/// Meta's status, category, quality and content, and templates that Meta no longer has become `DELETED`. It is safe to
/// repeat.
#[utoipa::path(
    post, path = "/api/broadcast/templates/sync", tag = "templates",
    responses(
        (status = 200, body = SyncResult),
        (status = 409, description = "whatsapp_account_unusable"),
        (status = 422, description = "template_refused"),
        (status = 429, description = "whatsapp_busy"),
        (status = 503, description = "whatsapp_unreachable"),
    ),
)]
pub(crate) async fn sync_templates(
    State(app): State<App>,
    permitted: Permitted<TemplatesSync>,
) -> Result<Json<SyncResult>, ApiError> {
    let caller = &permitted.caller;
    let begun: Begun = caller.database().rpc("begin_template_sync", &json!({})).await?;
    let mut result = SyncResult {
        total: 0,
        added: 0,
        changed: 0,
        removed: 0,
        accounts: Vec::new(),
    };
    // An account that cannot be read does not stop the others. The answer is then that error.
    let mut failed = None;
    for account in begun.accounts {
        match sync_account(&app, caller, &account, begun.started_at).await {
            Ok((total, counts)) => {
                result.total += total;
                result.added += counts.added;
                result.changed += counts.changed;
                result.removed += counts.removed;
                result.accounts.push(account.business_account_id);
            }
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(Json(result)), Err)
}

async fn sync_account(
    app: &App,
    caller: &Caller,
    account: &Account,
    started_at: DateTime<Utc>,
) -> Result<(usize, Counts), ApiError> {
    let token = meta_access::token(app, account.session_id).await?;
    let templates = app.graph().templates(&account.business_account_id, &token);
    let remote = templates.all().await.map_err(|error| refusal(&error))?;
    let rows: Vec<Value> = remote
        .iter()
        .filter(|template| is_storable(template))
        .map(row)
        .collect();
    let arguments = json!({
        "session_id": account.session_id, "templates": rows, "started_at": started_at,
        "actor": caller.access.user_id,
    });
    let counts = caller.service().rpc("record_template_sync", &arguments).await?;
    Ok((remote.len(), counts))
}

/// Skips a template of an unknown kind, so that the others are still stored.
fn is_storable(template: &RemoteTemplate) -> bool {
    ["MARKETING", "UTILITY", "AUTHENTICATION"].contains(&template.category.as_str())
        && (2..=15).contains(&template.language.len())
        && !template.name.is_empty()
        && template
            .name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn row(template: &RemoteTemplate) -> Value {
    let score = template.quality_score.as_ref();
    let score = score.and_then(|quality| quality["score"].as_str().or(quality.as_str()));
    let named = template
        .parameter_format
        .as_deref()
        .is_some_and(|format| format.eq_ignore_ascii_case("NAMED"));
    let components = if template.components.is_array() {
        template.components.clone()
    } else {
        json!([])
    };
    json!({
        "id": template.id,
        "name": template.name,
        "language": template.language,
        "status": template.status,
        "category": template.category,
        "previous_category": template.previous_category,
        "parameter_format": if named { "NAMED" } else { "POSITIONAL" },
        "components": components,
        "quality_score": score,
        "rejected_reason": template.rejected_reason.as_deref().filter(|reason| *reason != "NONE"),
    })
}
