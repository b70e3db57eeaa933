//! `GET /api/cron/housekeeping`: the hourly housekeeping.

mod step;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crm_core::app::App;
use crm_core::contract::Routes;
use crm_core::cron_secret::CronCaller;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::routes;

pub(crate) use step::{Step, StepReport};

/// The step to run.
#[derive(Deserialize)]
pub(crate) struct HousekeepingQuery {
    only: Option<Step>,
}

/// The results of the steps.
#[derive(Serialize, ToSchema)]
pub(crate) struct HousekeepingReport {
    steps: Vec<StepReport>,
}

/// `/api/cron/housekeeping`.
pub fn housekeeping() -> Routes {
    Routes::new()
        .routes(routes!(run_housekeeping))
        .route("/api/cron/housekeeping", axum::routing::post(run_housekeeping))
}

/// Run the housekeeping.
///
/// Every step runs independently: a step that fails is reported and does not stop the others. `only` runs one step.
/// `POST` does the same.
#[utoipa::path(
    get, path = "/api/cron/housekeeping", tag = "cron",
    params(("only" = inline(Option<Step>), Query, description = "The only step to run; all steps if left out")),
    responses((status = 200, body = HousekeepingReport)),
)]
pub(crate) async fn run_housekeeping(
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
        steps.push(step.run(&app, query.only.is_some()).await);
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
