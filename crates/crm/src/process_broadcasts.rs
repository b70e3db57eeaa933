//! `GET /api/cron/process-broadcasts`: sends what is due, campaigns and scheduled replies, and wakes what was snoozed.
//! Called by Vercel Cron every minute, and by itself for other numbers.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Deserializer};
use tokio::sync::oneshot;
use uuid::Uuid;

use broadcasts::{RunReport, Sender};
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::cron_secret::CronCaller;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::QueryParameters;
use inbox::tend_inbox;

/// How long a run goes on with messages that are sent by themselves.
const AUTOMATIC_TIME: Duration = Duration::from_secs(45);

/// A share of another instance's run.
#[derive(Deserialize)]
pub(crate) struct Share {
    /// Who hands it over.
    holder: Option<Uuid>,
    #[serde(default, deserialize_with = "ids")]
    session_ids: Vec<Uuid>,
}

fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Uuid>, D::Error> {
    String::deserialize(deserializer)?
        .split(',')
        .map(|id| {
            id.parse()
                .map_err(|_| serde::de::Error::custom("must be ids, with commas between them"))
        })
        .collect()
}

/// `/api/cron/process-broadcasts`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/cron/process-broadcasts",
        get(process_broadcasts).post(process_broadcasts),
    )
}

/// Starts campaigns that are due and sends for every number that nobody else is sending for: for one of them, or its share,
/// itself, and for the others by calling this route again, so that they have function instances of their own. While another
/// run holds a number with work, it waits and takes over if that run dies. May be called at any time and any number of
/// times at once.
#[utoipa::path(
    get, path = "/api/cron/process-broadcasts", tag = "cron", security(("cron" = [])),
    params(
        ("holder" = Option<Uuid>, Query, description = "The run that hands `session_ids` over; it answers at once then"),
        ("session_ids" = Option<String>, Query, description = "With commas between them"),
    ),
    responses(
        (status = 200, body = RunReport), (status = 401, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 503, body = ErrorBody),
    )
)]
pub(crate) async fn process_broadcasts(
    _scheduler: CronCaller,
    State(app): State<App>,
    background: Background,
    QueryParameters(share): QueryParameters<Share>,
) -> Result<Json<RunReport>, ApiError> {
    let sender = Sender::new(app.clone(), background.clone());
    if let Some(former) = share.holder {
        return sender.take_over(former, &share.session_ids).await.map(Json);
    }
    let first = sender.begin().await?;

    // Not part of the request's own future: a caller that hangs up must not cut sends from their records.
    let (finished, report) = oneshot::channel();
    background.run(async move {
        let (mut report, automatic, ()) = tokio::join!(
            sender.send_all(first),
            automations::send_due(&app, AUTOMATIC_TIME),
            tend_inbox(&app)
        );
        match automatic {
            Ok(handed_out) => report.automatic_messages = handed_out,
            Err(error) => log::warn!("automatic messages were not sent: {}", error.source_text()),
        }
        if let Err(error) = sender.finish(&report).await {
            log::warn!("the end of the run is not recorded: {}", error.source_text());
        }
        drop(finished.send(report));
    });
    let report = report
        .await
        .map_err(|_| ApiError::internal("the run ended without a report"))?;
    Ok(Json(report))
}
