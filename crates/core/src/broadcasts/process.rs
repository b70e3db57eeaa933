//! `GET /api/cron/process-broadcasts`: sends what is due, campaigns and scheduled replies, and wakes what was snoozed.
//! Called by Vercel Cron every minute, and by itself for other numbers.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::join_all;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;
use uuid::Uuid;

use super::hand_over::{MAX_INSTANCES, hand_over, shares};
use super::number_sender::{NumberReport, NumberSender};
use super::sender_queue::{LeasedNumber, Run, SenderQueue};
use crate::app::App;
use crate::automations;
use crate::background::Background;
use crate::cron_secret::CronCaller;
use crate::error::{ApiError, ErrorBody};
use crate::inbox::tend_inbox;
use crate::json_body::QueryParameters;

/// How long a run hands out recipients: until the next minute's run is about to begin. The function's limit in
/// `vercel.json` leaves what is on its way the time to end.
const SENDING_TIME: Duration = Duration::from_secs(57);

/// How often a run looks whether a number that another run holds has become free.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// How long a run goes on with messages that are sent by themselves.
const AUTOMATIC_TIME: Duration = Duration::from_secs(45);

/// What a run did.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct RunReport {
    /// Numbers this instance has sent for.
    numbers: Vec<NumberReport>,
    /// Numbers that other instances were asked to send for, and do.
    handed_over: Vec<Uuid>,
    /// Asked to send for some: those it goes on sending for after this answer.
    taken_over: Vec<Uuid>,
    /// Numbers with work that another run was still sending for at the end.
    busy: u32,
    /// Messages that nobody writes (greetings, away messages) whose sender had died, or never began.
    automatic_messages: u32,
}

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
    let sender = Sender {
        deadline: Instant::now() + SENDING_TIME,
        queue: SenderQueue::new(app.supabase().clone()),
        app,
        background: background.clone(),
    };
    if let Some(former) = share.holder {
        return sender.take_over(former, &share.session_ids).await.map(Json);
    }
    let first = sender.queue.begin().await?;

    // Not part of the request's own future: a caller that hangs up must not cut sends from their records.
    let (finished, report) = oneshot::channel();
    background.run(async move {
        let (mut report, automatic, ()) = tokio::join!(
            sender.send_all(first),
            automations::send_due(&sender.app, AUTOMATIC_TIME),
            tend_inbox(&sender.app)
        );
        match automatic {
            Ok(handed_out) => report.automatic_messages = handed_out,
            Err(error) => log::warn!("automatic messages were not sent: {}", error.source_text()),
        }
        if let Err(error) = sender.queue.finish(&report).await {
            log::warn!("the end of the run is not recorded: {}", error.source_text());
        }
        drop(finished.send(report));
    });
    let report = report
        .await
        .map_err(|_| ApiError::internal("the run ended without a report"))?;
    Ok(Json(report))
}

/// What a run sends with.
#[derive(Clone)]
struct Sender {
    app: App,
    queue: SenderQueue,
    background: Background,
    deadline: Instant,
}

impl Sender {
    /// Takes a share of another run and sends for it after the answer.
    async fn take_over(self, former: Uuid, sessions: &[Uuid]) -> Result<RunReport, ApiError> {
        let numbers = self.queue.take_over(former, sessions).await?;
        let taken_over = numbers.iter().map(|number| number.session_id).collect();
        let background = self.background.clone();
        background.run(async move {
            self.send_for(numbers).await;
        });
        Ok(RunReport {
            taken_over,
            ..RunReport::default()
        })
    }

    /// Sends until nobody has work any more, or the time is over.
    async fn send_all(&self, first: Run) -> RunReport {
        let mut report = RunReport::default();
        let mut instances = if self.app.config().own_address.is_some() {
            MAX_INSTANCES
        } else {
            1
        };
        let mut run = first;
        loop {
            let mut shares = shares(run.sessions, instances).into_iter();
            let own = shares.next().unwrap_or_default();
            let (numbers, others) = tokio::join!(
                self.send_for(own),
                join_all(shares.map(|share| self.hand_over(share)))
            );
            report.numbers.extend(numbers);
            report.busy = run.busy;
            let mut again = run.busy > 0;
            for other in others {
                again = true;
                if other.taken_over.is_empty() {
                    // Other instances are out of reach: this run does not ask again.
                    instances = 1;
                }
                report.handed_over.extend(other.taken_over);
                report.numbers.extend(other.kept);
            }
            if !again || Instant::now() + LOOK_AGAIN >= self.deadline {
                return report;
            }
            sleep(LOOK_AGAIN).await;
            run = match self.queue.begin().await {
                Ok(run) => run,
                Err(error) => {
                    log::warn!("no further look at the queue: {}", error.source_text());
                    return report;
                }
            };
        }
    }

    async fn send_for(&self, numbers: Vec<LeasedNumber>) -> Vec<NumberReport> {
        let senders = numbers.into_iter().map(|number| {
            NumberSender::new(
                self.app.clone(),
                self.queue.clone(),
                number,
                self.background.clone(),
                self.deadline,
            )
            .run()
        });
        join_all(senders).await
    }

    /// Has another instance send for a share. What that one does not take is sent from here: under an id of its own, so
    /// that an instance that answers late finds it gone.
    async fn hand_over(&self, share: Vec<LeasedNumber>) -> HandedOver {
        let taken_over = hand_over(&self.app, self.queue.holder(), &share).await;
        let left: Vec<Uuid> = share
            .iter()
            .map(|number| number.session_id)
            .filter(|id| !taken_over.contains(id))
            .collect();
        let mut kept = Vec::new();
        if !left.is_empty() {
            let heir = Self {
                queue: SenderQueue::new(self.app.supabase().clone()),
                ..self.clone()
            };
            match heir.queue.take_over(self.queue.holder(), &left).await {
                Ok(numbers) => kept = heir.send_for(numbers).await,
                Err(error) => log::warn!(
                    "{} numbers wait for the next run: {}",
                    left.len(),
                    error.source_text()
                ),
            }
        }
        HandedOver { taken_over, kept }
    }
}

/// What became of a share.
struct HandedOver {
    taken_over: Vec<Uuid>,
    /// Sent for in this instance after all.
    kept: Vec<NumberReport>,
}
