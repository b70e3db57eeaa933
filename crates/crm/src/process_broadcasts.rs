//! `GET /api/cron/process-broadcasts`: sends due campaigns and scheduled replies, and reopens snoozed conversations.
//! Vercel Cron calls it every minute, and it calls itself to share numbers among instances.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Deserializer};
use tokio::sync::oneshot;
use uuid::Uuid;

use broadcasts::{RunReport, Sender};
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::contract::Routes;
use crm_core::cron_secret::CronCaller;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::routes;

/// How long a run sends automatic messages.
const AUTOMATIC_TIME: Duration = Duration::from_secs(45);

/// Numbers that another instance's run hands over.
#[derive(Deserialize)]
pub(crate) struct Share {
    /// The run that hands the numbers over.
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
pub fn router() -> Routes {
    Routes::new().routes(routes!(process_broadcasts)).route(
        "/api/cron/process-broadcasts",
        axum::routing::post(process_broadcasts),
    )
}

/// Run the sender.
///
/// The run starts campaigns that are due and sends for every number that no other run is sending for. It hands numbers
/// over to other function instances by calling this operation with `holder` and `session_ids`. It is safe to call at
/// any time and several times at once. `POST` does the same.
#[utoipa::path(
    get, path = "/api/cron/process-broadcasts", tag = "cron",
    params(
        ("holder" = Option<Uuid>, Query, description = "The run that hands `session_ids` over; the answer comes at once then"),
        ("session_ids" = Option<String>, Query, description = "The numbers that are handed over, separated by commas"),
    ),
    responses((status = 200, body = RunReport)),
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

    // The work is not part of the request's own future: if the caller disconnects, sent messages must still be
    // recorded.
    let (finished, report) = oneshot::channel();
    background.run(async move {
        let (mut report, automatic, ()) = tokio::join!(
            sender.send_all(first),
            automations::send_due(&app, AUTOMATIC_TIME),
            inbox::run_minute_tasks(&app)
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
