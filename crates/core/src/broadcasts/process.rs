//! `GET /api/cron/process-broadcasts`: sends what is due. Called by Vercel Cron every minute.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::number_sender::{NumberReport, NumberSender};
use super::sender_queue::SenderQueue;
use crate::app::App;
use crate::background::Background;
use crate::cron_secret::CronCaller;
use crate::error::{ApiError, ErrorBody};

/// How long a run hands out recipients: until the next minute's run is about to begin. The function's limit in
/// `vercel.json` leaves what is on its way the time to end.
const SENDING_TIME: Duration = Duration::from_secs(57);

/// What a run did.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunReport {
    numbers: Vec<NumberReport>,
    /// Numbers with work that another run is sending for.
    busy: u32,
}

/// `/api/cron/process-broadcasts`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/cron/process-broadcasts",
        get(process_broadcasts).post(process_broadcasts),
    )
}

/// Starts campaigns that are due and sends for every number that nobody else is sending for. May be called at
/// any time and any number of times at once.
#[utoipa::path(
    get, path = "/api/cron/process-broadcasts", tag = "cron", security(("cron" = [])),
    responses((status = 200, body = RunReport), (status = 401, body = ErrorBody), (status = 503, body = ErrorBody))
)]
pub(crate) async fn process_broadcasts(
    _scheduler: CronCaller,
    State(app): State<App>,
    background: Background,
) -> Result<Json<RunReport>, ApiError> {
    let deadline = Instant::now() + SENDING_TIME;
    let queue = SenderQueue::new(app.supabase().clone());
    let run = queue.begin().await?;
    let busy = run.busy;

    // Not part of the request's own future: a caller that hangs up must not cut sends from their records.
    let (finished, reports) = oneshot::channel();
    let work = background.clone();
    background.run(async move {
        let senders = run.sessions.into_iter().map(|number| {
            NumberSender::new(app.clone(), queue.clone(), number, work.clone(), deadline).run()
        });
        let numbers = join_all(senders).await;
        if let Err(error) = queue.finish(&json!({ "numbers": numbers, "busy": busy })).await {
            log::warn!("the end of the run is not recorded: {}", error.source_text());
        }
        drop(finished.send(numbers));
    });
    let numbers = reports
        .await
        .map_err(|_| ApiError::internal("the run ended without a report"))?;
    Ok(Json(RunReport { numbers, busy }))
}
