//! `POST /api/broadcast/scheduler/{id}`: `start`, `stop` or `trigger`. `GET` shows the scheduler and changes nothing.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::call_for_a_run;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{Caller, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::permissions::{QueueManage, QueueView};

/// The tenant's scheduler.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Scheduler {
    /// `running` or `stopped`
    #[schema(example = "running")]
    status: String,
    running: bool,
    stopped_at: Option<DateTime<Utc>>,
    /// By `trigger`.
    started_campaigns: u64,
    /// Campaigns that wait for their time.
    scheduled: u64,
    next_at: Option<DateTime<Utc>>,
}

/// `/api/broadcast/scheduler/{id}`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/broadcast/scheduler/{id}",
        get(show_scheduler).post(control_scheduler),
    )
}

/// `stop`: scheduled campaigns of the tenant do not start. `start`: they do again; those whose time has passed start with
/// the next minute, once. `trigger`: those that are due start now, and a run of the
/// sender begins.
#[utoipa::path(
    post, path = "/api/broadcast/scheduler/{id}", tag = "queue", security(("bearer" = [])),
    params(("id" = String, Path, description = "`start`, `stop` or `trigger`")),
    responses(
        (status = 200, body = Scheduler), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
)]
pub(crate) async fn control_scheduler(
    permitted: Permitted<QueueManage>,
    State(app): State<App>,
    background: Background,
    Path(action): Path<String>,
) -> Result<Json<Scheduler>, ApiError> {
    known(&action)?;
    let scheduler = control(&permitted.caller, &action).await?;
    if action == "trigger" {
        background.run(async move { call_for_a_run(&app).await });
    }
    Ok(scheduler)
}

/// Whether the scheduler runs, and what waits for it. Whatever the word, nothing is changed.
#[utoipa::path(
    get, path = "/api/broadcast/scheduler/{id}", tag = "queue", security(("bearer" = [])),
    params(("id" = String, Path, description = "`start`, `stop` or `trigger`")),
    responses(
        (status = 200, body = Scheduler), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
)]
pub(crate) async fn show_scheduler(
    permitted: Permitted<QueueView>,
    Path(action): Path<String>,
) -> Result<Json<Scheduler>, ApiError> {
    known(&action)?;
    control(&permitted.caller, "show").await
}

fn known(action: &str) -> Result<(), ApiError> {
    if ["start", "stop", "trigger"].contains(&action) {
        return Ok(());
    }
    Err(ApiError::not_found())
}

async fn control(caller: &Caller, action: &str) -> Result<Json<Scheduler>, ApiError> {
    let arguments = json!({ "action": action });
    Ok(Json(
        caller.database().rpc("control_scheduler", &arguments).await?,
    ))
}
