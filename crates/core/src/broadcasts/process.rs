//! `GET /api/cron/process-broadcasts`: sends what is due, campaigns and scheduled replies, and wakes what was snoozed.
//! Called by Vercel Cron every minute.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use super::number_sender::{NumberReport, NumberSender};
use super::sender_queue::{Run, SenderQueue};
use crate::app::App;
use crate::automations;
use crate::background::Background;
use crate::cron_secret::CronCaller;
use crate::error::{ApiError, ErrorBody};
use crate::inbox::tend_inbox;

/// How long a run hands out recipients: until the next minute's run is about to begin. The function's limit in
/// `vercel.json` leaves what is on its way the time to end.
const SENDING_TIME: Duration = Duration::from_secs(57);

/// How often a run looks whether a number that another run holds has become free.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How long a run goes on with messages that are sent by themselves.
const AUTOMATIC_TIME: Duration = Duration::from_secs(45);

/// What a run did.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunReport {
    numbers: Vec<NumberReport>,
    /// Numbers with work that another run was still sending for at the end.
    busy: u32,
    /// Messages that nobody writes (greetings, away messages) whose sender had died, or never began.
    automatic_messages: u32,
}

/// `/api/cron/process-broadcasts`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/cron/process-broadcasts",
        get(process_broadcasts).post(process_broadcasts),
    )
}

/// Starts campaigns that are due and sends for every number that nobody else is sending for. While another run
/// holds a number with work, it waits and takes over if that run dies. May be called at any time and any number
/// of times at once.
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
    let first = queue.begin().await?;

    // Not part of the request's own future: a caller that hangs up must not cut sends from their records.
    let (finished, report) = oneshot::channel();
    let work = background.clone();
    background.run(async move {
        let (mut report, automatic, ()) = tokio::join!(
            send_until(deadline, first, &app, &queue, &work),
            automations::send_due(&app, AUTOMATIC_TIME),
            tend_inbox(&app)
        );
        match automatic {
            Ok(handed_out) => report.automatic_messages = handed_out,
            Err(error) => log::warn!("automatic messages were not sent: {}", error.source_text()),
        }
        if let Err(error) = queue.finish(&report).await {
            log::warn!("the end of the run is not recorded: {}", error.source_text());
        }
        drop(finished.send(report));
    });
    let report = report
        .await
        .map_err(|_| ApiError::internal("the run ended without a report"))?;
    Ok(Json(report))
}

async fn send_until(
    deadline: Instant,
    first: Run,
    app: &App,
    queue: &SenderQueue,
    background: &Background,
) -> RunReport {
    let mut numbers = Vec::new();
    let mut run = first;
    loop {
        let senders = run.sessions.into_iter().map(|number| {
            NumberSender::new(app.clone(), queue.clone(), number, background.clone(), deadline).run()
        });
        numbers.extend(join_all(senders).await);
        if run.busy == 0 || Instant::now() + LOOK_AGAIN >= deadline {
            return RunReport {
                numbers,
                busy: run.busy,
                automatic_messages: 0,
            };
        }
        sleep(LOOK_AGAIN).await;
        run = match queue.begin().await {
            Ok(run) => run,
            Err(error) => {
                log::warn!("no further look at the queue: {}", error.source_text());
                return RunReport {
                    numbers,
                    busy: run.busy,
                    automatic_messages: 0,
                };
            }
        };
    }
}
