//! A run of the campaign sender: which numbers it sends for, and for how long.

use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use supabase::DatabaseError;
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;
use uuid::Uuid;

use super::hand_over::{MAX_INSTANCES, hand_over, shares};
use super::number_report::NumberReport;
use super::number_sender::send_for_number;
use super::sender_queue::{LeasedNumber, Run, SenderQueue};
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::error::ApiError;

/// How long a run claims recipients: almost until the next minute's run. The limit of the function in `vercel.json`
/// leaves time for messages that are being sent.
const SENDING_TIME: Duration = Duration::from_secs(57);

/// How often a run checks whether a number held by another run has become free.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The results of a run.
#[derive(Default, Serialize, ToSchema)]
pub struct RunReport {
    /// The numbers that this instance has sent for.
    numbers: Vec<NumberReport>,
    /// The numbers that other instances have taken over.
    handed_over: Vec<Uuid>,
    /// In a run that takes over: the numbers that it continues to send for after this answer.
    taken_over: Vec<Uuid>,
    /// The number of numbers with work that another run was still sending for at the end.
    busy: u32,
    /// The number of automatic messages (greetings, away messages) that were sent because their sender had died or
    /// never started.
    pub automatic_messages: u32,
}

/// The sender of one run.
#[derive(Clone)]
pub struct Sender {
    app: App,
    queue: SenderQueue,
    background: Background,
    deadline: Instant,
}

impl Sender {
    /// Prepares a run.
    pub fn new(app: App, background: Background) -> Self {
        Self {
            deadline: Instant::now() + SENDING_TIME,
            queue: SenderQueue::new(app.supabase().clone()),
            app,
            background,
        }
    }

    /// Starts campaigns that are due, and leases the numbers with work.
    pub async fn begin(&self) -> Result<Run, DatabaseError> {
        self.queue.begin().await
    }

    /// Records the end of the run and releases its numbers.
    pub async fn finish(&self, report: &RunReport) -> Result<(), DatabaseError> {
        self.queue.finish(report).await
    }

    /// Takes over a share of another run, and sends for it after the answer.
    pub async fn take_over(self, former: Uuid, sessions: &[Uuid]) -> Result<RunReport, ApiError> {
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

    /// Sends until no number has work any more, or the time is over.
    pub async fn send_all(&self, first: Run) -> RunReport {
        let mut report = RunReport::default();
        let mut instances = if self.app.config().own_address.is_some() {
            MAX_INSTANCES
        } else {
            1
        };
        let mut run = first;
        loop {
            let probes = run.probes();
            let mut shares = shares(run.sessions, instances).into_iter();
            let own = shares.next().unwrap_or_default();
            let (numbers, others) = tokio::join!(
                self.send_for(own),
                join_all(shares.map(|share| self.hand_over(share)))
            );
            report.numbers.extend(numbers);
            report.busy = run.busy;
            let mut again = run.busy > 0 || probes;
            for other in others {
                again = true;
                if other.taken_over.is_empty() {
                    // Other instances are unreachable: this run does not try again.
                    instances = 1;
                }
                report.handed_over.extend(other.taken_over);
                report.numbers.extend(other.kept);
            }
            if !again || Instant::now() + LOOK_AGAIN >= self.deadline {
                return report;
            }
            if !probes {
                sleep(LOOK_AGAIN).await;
            }
            run = match self.queue.begin().await {
                Ok(run) => run,
                Err(error) => {
                    log::warn!("the queue could not be checked again: {}", error.source_text());
                    return report;
                }
            };
        }
    }

    async fn send_for(&self, numbers: Vec<LeasedNumber>) -> Vec<NumberReport> {
        let senders = numbers
            .into_iter()
            .map(|number| send_for_number(&self.app, &self.queue, number, &self.background, self.deadline));
        join_all(senders).await
    }

    /// Lets another instance send for a share. This instance sends for the numbers that the other one does not take. It
    /// takes them under a new id, so that an instance that is late cannot take them any more.
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

/// The result of handing a share over.
struct HandedOver {
    taken_over: Vec<Uuid>,
    /// The reports of numbers that this instance sent for after all.
    kept: Vec<NumberReport>,
}
