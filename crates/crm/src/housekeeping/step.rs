//! The steps of the housekeeping.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use supabase::DatabaseError;
use utoipa::ToSchema;

use crm_core::app::App;
use crm_core::error::ApiError;

/// Health data that is older is read again. The limit is a little less than the hour between two runs.
const HEALTH_AGE: Duration = Duration::from_secs(50 * 60);
/// How long a run fetches files. The limit of the function in `vercel.json` leaves time for the other steps.
const FETCH_TIME: Duration = Duration::from_secs(40);

/// One step of the housekeeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HousekeepingStep)]
pub(crate) enum Step {
    /// Creates the number of the environment if it is missing.
    DefaultNumber,
    /// Reads the health of every number from Meta.
    NumberHealth,
    /// Ends restrictions of Meta whose time has passed.
    Restrictions,
    /// Seals tokens again that an older key sealed.
    ResealTokens,
    /// Deletes idempotency keys of sends after a day.
    IdempotencyKeys,
    /// Deletes old deliveries of Meta.
    WebhookEvents,
    /// Deletes old entries of the audit log.
    AuditLogs,
    /// Deletes uploads that were not sent while Meta kept them.
    UnsentUploads,
    /// Deletes files from Storage that nothing refers to any more.
    ErasedFiles,
    /// Deletes live updates that are too old for a client to catch up with.
    Changes,
    /// Fetches files of customers again that could not be fetched before.
    Media,
}

/// The result of a step.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepReport {
    step: Step,
    ok: bool,
    /// What the step counted.
    #[schema(value_type = Value, example = json!({"deleted": 12}))]
    result: Value,
}

impl Step {
    /// The steps in the order in which they run. Fetching files is last and uses the remaining time.
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

    /// Runs the step, unless it is set aside because two runs died of it. An operator who names the step insists.
    pub(super) async fn run(self, app: &App, insists: bool) -> StepReport {
        let begun = call(app, "begin_housekeeping_step", &json!({ "step": self })).await;
        // If the beginning cannot be counted, the step runs nevertheless and reports what it meets.
        if !insists && matches!(begun, Ok(Value::Bool(false))) {
            log::error!("housekeeping: {self:?} is set aside: two runs died of it");
            return StepReport {
                step: self,
                ok: false,
                result: json!({ "set_aside": true }),
            };
        }
        let report = self.report(app).await;
        if let Err(error) = call(app, "end_housekeeping_step", &json!({ "step": self })).await {
            log::warn!("housekeeping: {self:?} cannot be ended: {}", error.source_text());
        }
        report
    }

    async fn report(self, app: &App) -> StepReport {
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
        let reason = |error: DatabaseError| error.source_text().to_owned();
        match self {
            Self::DefaultNumber => {
                let made = numbers::ensure_default_number(app).await;
                made.map(|made| json!({ "made": made.is_some() }))
                    .map_err(|error: ApiError| error.code().to_owned())
            }
            Self::NumberHealth => {
                let (asked, failed) = numbers::refresh_stale(app, HEALTH_AGE).await.map_err(reason)?;
                Ok(json!({ "asked": asked, "failed": failed }))
            }
            Self::Restrictions => call(app, "end_restrictions", &json!({})).await.map_err(reason),
            Self::ResealTokens => {
                let (resealed, failed) = numbers::reseal_tokens(app).await.map_err(reason)?;
                Ok(json!({ "resealed": resealed, "failed": failed }))
            }
            Self::IdempotencyKeys => call(app, "expire_idempotency_keys", &json!({}))
                .await
                .map_err(reason),
            Self::WebhookEvents => retention(app, "prune_webhook_events").await.map_err(reason),
            Self::AuditLogs => retention(app, "prune_audit_logs").await.map_err(reason),
            Self::UnsentUploads => retention(app, "prune_unsent_uploads").await.map_err(reason),
            Self::ErasedFiles => {
                let removed = contacts::erased_files::remove(app).await;
                removed
                    .map(|removed| json!({ "removed": removed }))
                    .map_err(|error| error.code().to_owned())
            }
            Self::Changes => retention(app, "prune_changes").await.map_err(reason),
            Self::Media => {
                let fetched = media::fetch_pending(app, FETCH_TIME).await.map_err(reason)?;
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
