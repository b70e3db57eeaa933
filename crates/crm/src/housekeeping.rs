//! `GET /api/cron/housekeeping`: what is looked after every hour.

mod step;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crm_core::app::App;
use crm_core::cron_secret::CronCaller;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::QueryParameters;

pub(crate) use step::{Step, StepReport};

/// Which part of it.
#[derive(Deserialize)]
pub(crate) struct HousekeepingQuery {
    only: Option<Step>,
}

/// What was done.
#[derive(Serialize, ToSchema)]
pub(crate) struct HousekeepingReport {
    steps: Vec<StepReport>,
}

/// `/api/cron/housekeeping`.
pub fn housekeeping() -> Router<App> {
    Router::new().route("/api/cron/housekeeping", get(keep_house).post(keep_house))
}

/// Runs every step, each by itself: one that fails is told and costs the others nothing. `only` names one of them.
#[utoipa::path(
    get, path = "/api/cron/housekeeping", tag = "cron", security(("cron" = [])),
    params(("only" = Option<Step>, Query)),
    responses((status = 200, body = HousekeepingReport), (status = 401, body = ErrorBody), (status = 422, body = ErrorBody))
)]
pub(crate) async fn keep_house(
    _scheduler: CronCaller,
    State(app): State<App>,
    QueryParameters(query): QueryParameters<HousekeepingQuery>,
) -> Result<Json<HousekeepingReport>, ApiError> {
    let chosen = query.only.map_or_else(|| Step::ALL.to_vec(), |step| vec![step]);
    if query.only.is_none() {
        note(&app, "begin_housekeeping", json!({})).await;
    }
    let mut steps = Vec::new();
    for step in chosen {
        steps.push(step.run(&app).await);
    }
    if query.only.is_none() {
        note(&app, "finish_housekeeping", json!({ "outcome": steps })).await;
    }
    Ok(Json(HousekeepingReport { steps }))
}

async fn note(app: &App, function: &'static str, arguments: serde_json::Value) {
    let noted = app.supabase().as_service().rpc::<()>(function, &arguments).await;
    if let Err(error) = noted {
        log::warn!("housekeeping: {function}: {}", error.source_text());
    }
}
