//! `POST /api/broadcast/scheduler/{id}`: `start`, `stop` or `trigger`. `GET` shows the scheduler and changes nothing.

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::call_for_a_run;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::permissions::{QueueManage, QueueView};
use crm_core::routes;

crm_core::words! {
    /// The state of the scheduler.
    pub(crate) SchedulerStatus = "running", "stopped";
    /// An action on the scheduler.
    pub(crate) SchedulerAction = "start", "stop", "trigger";
}

/// The tenant's scheduler.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Scheduler {
    /// `running` or `stopped`
    #[schema(example = "running", value_type = SchedulerStatus)]
    status: String,
    running: bool,
    stopped_at: Option<DateTime<Utc>>,
    /// The number of campaigns that `trigger` started.
    started_campaigns: u64,
    /// The number of scheduled campaigns.
    scheduled: u64,
    next_at: Option<DateTime<Utc>>,
}

/// `/api/broadcast/scheduler/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(show_scheduler, control_scheduler))
}

/// Control the scheduler.
///
/// `stop`: scheduled campaigns of the organisation do not start. `start`: they start again; campaigns whose time has
/// passed start within the next minute. `trigger`: campaigns that are due start now, and a run of the sender begins.
#[utoipa::path(
    post, path = "/api/broadcast/scheduler/{id}", tag = "queue",
    params(("id" = inline(SchedulerAction), Path, description = "The action")),
    responses((status = 200, body = Scheduler)),
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

/// Show the scheduler.
///
/// The answer says whether the scheduler runs and what waits for it. The action in the path has no effect.
#[utoipa::path(
    get, path = "/api/broadcast/scheduler/{id}", tag = "queue",
    params(("id" = inline(SchedulerAction), Path, description = "Any action; nothing is changed")),
    responses((status = 200, body = Scheduler)),
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
