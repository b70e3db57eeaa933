//! `POST /api/broadcast/scheduler/{id}`: `start`, `stop` or `trigger`.

use axum::extract::Path;
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::app::App;
use crate::caller::Permitted;
use crate::error::{ApiError, ErrorBody};
use crate::permissions::QueueManage;

/// The tenant's scheduler.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Scheduler {
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
    Router::new().route("/api/broadcast/scheduler/{id}", post(control_scheduler))
}

/// `stop`: scheduled campaigns of the tenant do not start. `start`: they do again; those whose time has passed start with
/// the next minute, once. `trigger`: those that are due start now.
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
    Path(action): Path<String>,
) -> Result<Json<Scheduler>, ApiError> {
    if !["start", "stop", "trigger"].contains(&action.as_str()) {
        return Err(ApiError::not_found());
    }
    Ok(Json(
        permitted
            .caller
            .database()
            .rpc("control_scheduler", &json!({ "action": action }))
            .await?,
    ))
}
