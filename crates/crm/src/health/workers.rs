//! `GET /api/health/workers`: the health of the background work.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crm_core::app::App;
use crm_core::contract::Routes;
use crm_core::cron_secret::CronSecretGiven;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::rate_limit::{Limited, PublicRoute};
use crm_core::routes;

/// How long recipients may be overdue without a sender: two missed minutes of cron.
const LATE_SECONDS: f64 = 150.0;

crm_core::words! {
    /// The state of the background work.
    pub(crate) WorkersStatus = "ok", "late", "resting";
}

/// The health of the background work of all tenants together. Only `status` is for everybody.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkersHealth {
    /// `ok`; `late` when recipients wait and no sender is at work; `resting` when recipients wait only because Meta
    /// does not answer for their number.
    #[schema(example = "ok", value_type = WorkersStatus)]
    status: &'static str,
    #[serde(flatten)]
    facts: WorkerFacts,
    /// The numbers whose breaker is not closed, because Meta does not answer.
    #[schema(required = false)]
    breakers: Breakers,
}

/// The number of circuit breakers that are not closed.
#[derive(Serialize, Deserialize, ToSchema)]
struct Breakers {
    open: u64,
    /// Breakers that are testing whether Meta answers again, or are about to.
    half_open: u64,
    /// How long the longest of them has been open.
    open_longest_seconds: Option<f64>,
}

/// The state of the background work as the database knows it.
#[derive(Serialize, Deserialize, ToSchema)]
struct WorkerFacts {
    /// The last run of `cron/process-broadcasts`. Absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    last_run: Option<CronRun>,
    /// The number of numbers that a sender is working on.
    #[schema(required = false)]
    numbers_sending: u64,
    /// Campaigns in state `sending`.
    #[schema(required = false)]
    campaigns_sending: u64,
    /// Recipients that were not yet handed to Meta, counted up to 10,000.
    #[schema(required = false)]
    recipients_waiting: u64,
    /// Numbers with waiting recipients whose circuit breaker is open.
    #[schema(required = false)]
    numbers_resting: u64,
    /// The longest time that a recipient has been due without a sender although its number could send. Absent when no
    /// recipient is overdue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    overdue_seconds: Option<f64>,
    /// The number of items of each queue that were set aside in the last seven days because two workers died of each.
    #[schema(required = false, example = json!({"contact_imports": 1}))]
    set_aside: BTreeMap<String, u64>,
}

/// One run of a cron job.
#[derive(Serialize, Deserialize, ToSchema)]
struct CronRun {
    started_at: DateTime<Utc>,
    /// Null while it runs, or if it died.
    finished_at: Option<DateTime<Utc>>,
    seconds_ago: f64,
}

/// Late workers, or an unavailable database.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes the answer")]
pub(crate) enum WorkersTrouble {
    /// Recipients wait and no sender is at work.
    Late(WorkersHealth),
    /// The database does not answer.
    Unavailable(ErrorBody),
}

/// The name under which requests are counted.
pub(crate) struct Workers;

impl PublicRoute for Workers {
    const NAME: &'static str = "workers";
}

/// `/api/health/workers`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(workers_health))
}

/// Report whether campaigns are being sent.
///
/// Monitoring can call this without credentials and gets `status` alone. With the secret of cron as bearer the answer
/// also has the figures, which show the load of all tenants. The status is 503 with the same body if recipients wait
/// and no sender is at work.
#[utoipa::path(
    get, path = "/api/health/workers", tag = "health",
    responses((status = 200, body = WorkersHealth), (status = 503, body = WorkersTrouble)),
)]
pub(crate) async fn workers_health(
    State(app): State<App>,
    _: Limited<Workers>,
    CronSecretGiven(is_operator): CronSecretGiven,
) -> Result<Response, ApiError> {
    let database = app.supabase().as_service();
    let (facts, breakers) = tokio::join!(
        database.rpc::<WorkerFacts>("worker_health", &()),
        database.rpc::<Breakers>("breaker_health", &())
    );
    let (facts, breakers) = (facts?, breakers?);
    let late = facts
        .overdue_seconds
        .is_some_and(|seconds| seconds > LATE_SECONDS);
    let (status, word) = if late {
        (StatusCode::SERVICE_UNAVAILABLE, "late")
    } else if facts.numbers_resting > 0 {
        (StatusCode::OK, "resting")
    } else {
        (StatusCode::OK, "ok")
    };
    if !is_operator {
        return Ok((status, Json(json!({ "status": word }))).into_response());
    }
    let health = WorkersHealth {
        status: word,
        facts,
        breakers,
    };
    Ok((status, Json(health)).into_response())
}
