//! The parts of housekeeping.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use supabase::DatabaseError;
use utoipa::ToSchema;

use crm_core::app::App;
use crm_core::error::ApiError;

/// Health that is older is asked for again: a little less than the hour between two runs.
const HEALTH_AGE: Duration = Duration::from_secs(50 * 60);
/// How long a run fetches files: the function's limit in `vercel.json` leaves the rest its time.
const FETCH_TIME: Duration = Duration::from_secs(40);

/// One part of housekeeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HousekeepingStep)]
pub(crate) enum Step {
    /// The number of the environment is there.
    DefaultNumber,
    /// Meta's word on every number.
    NumberHealth,
    /// Restrictions of Meta whose time is over.
    Restrictions,
    /// Tokens that an older key sealed are sealed anew.
    ResealTokens,
    /// Keys of sends that are a day old.
    IdempotencyKeys,
    /// Deliveries of Meta past their time.
    WebhookEvents,
    /// The audit log past its time.
    AuditLogs,
    /// Uploads that nobody sent while Meta had them.
    UnsentUploads,
    /// Files that nothing names any more leave Storage.
    ErasedFiles,
    /// What live updates told, past the time a client can catch up.
    Changes,
    /// Files of customers that could not be fetched before.
    Media,
}

/// How a step ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepReport {
    step: Step,
    ok: bool,
    /// What it counted.
    #[schema(value_type = Value, example = json!({"deleted": 12}))]
    result: Value,
}

impl Step {
    /// In the order they run: fetching files takes what time is left.
    pub(super) const ALL: [Self; 11] = [
        Self::DefaultNumber,
        Self::NumberHealth,
        Self::Restrictions,
        Self::ResealTokens,
        Self::IdempotencyKeys,
        Self::WebhookEvents,
        Self::AuditLogs,
        Self::UnsentUploads,
        Self::ErasedFiles,
        Self::Changes,
        Self::Media,
    ];

    pub(super) async fn run(self, app: &App) -> StepReport {
        match self.attempt(app).await {
            Ok(result) => StepReport {
                step: self,
                ok: true,
                result,
            },
            Err(problem) => {
                log::error!("housekeeping: {self:?}: {problem}");
                StepReport {
                    step: self,
                    ok: false,
                    result: Value::Null,
                }
            }
        }
    }

    async fn attempt(self, app: &App) -> Result<Value, String> {
        let told = |error: DatabaseError| error.source_text().to_owned();
        match self {
            Self::DefaultNumber => {
                let made = numbers::ensure_default_number(app).await;
                made.map(|made| json!({ "made": made.is_some() }))
                    .map_err(|error: ApiError| error.code().to_owned())
            }
            Self::NumberHealth => {
                let (asked, failed) = numbers::refresh_stale(app, HEALTH_AGE).await.map_err(told)?;
                Ok(json!({ "asked": asked, "failed": failed }))
            }
            Self::Restrictions => call(app, "end_restrictions", &json!({})).await.map_err(told),
            Self::ResealTokens => {
                let (resealed, failed) = numbers::reseal_tokens(app).await.map_err(told)?;
                Ok(json!({ "resealed": resealed, "failed": failed }))
            }
            Self::IdempotencyKeys => call(app, "expire_idempotency_keys", &json!({}))
                .await
                .map_err(told),
            Self::WebhookEvents => retention(app, "prune_webhook_events").await.map_err(told),
            Self::AuditLogs => retention(app, "prune_audit_logs").await.map_err(told),
            Self::UnsentUploads => retention(app, "prune_unsent_uploads").await.map_err(told),
            Self::ErasedFiles => {
                let removed = contacts::erased_files::remove(app).await;
                removed
                    .map(|removed| json!({ "removed": removed }))
                    .map_err(|error| error.code().to_owned())
            }
            Self::Changes => retention(app, "prune_changes").await.map_err(told),
            Self::Media => {
                let fetched = media::fetch_pending(app, FETCH_TIME).await.map_err(told)?;
                Ok(json!(fetched))
            }
        }
    }
}

async fn retention(app: &App, task: &str) -> Result<Value, DatabaseError> {
    call(app, "run_retention", &json!({ "task": task })).await
}

async fn call(app: &App, function: &'static str, arguments: &Value) -> Result<Value, DatabaseError> {
    app.supabase().as_service().rpc(function, arguments).await
}
