//! Sends automatic messages to Meta.
//!
//! Each message is claimed under a lease. A process that dies may have sent the messages it had claimed: the database
//! marks them as `unknown`, and they are never sent again. The database hands out the messages of a conversation one
//! after the other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use supabase::DatabaseError;
use tokio::sync::Semaphore;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::queued_message::{Claim, MessageOutcome, QueuedMessage, claim, record};
use crm_core::app::App;
use crm_core::background::Background;
use sending::outcome::Report;
use sending::{
    Capacity, OutstandingClaims, RECORD_GRACE, RetryPolicy, SendContext, SendQueue, claim_send_record,
    record_until_taken,
};

/// The lease of claimed messages.
const LEASE: Duration = Duration::from_secs(90);
/// A claimed message that has waited longer than this is returned to the queue, because the rest of the lease is for
/// Meta's answer.
const SEND_WITHIN: Duration = Duration::from_secs(45);
/// How long sending continues after the answer of a webhook.
const SOON: Duration = Duration::from_secs(20);
/// The most messages of one claim.
const BATCH: u32 = 50;
/// The most sends of one number at the same time.
const AT_ONCE: usize = 8;
/// Outcomes are recorded together if they arrive within this time. The next message of a conversation waits for the
/// record.
const RECORD_WITHIN: Duration = Duration::from_millis(10);

/// Sends due messages after the answer. If the process dies, cron sends the rest.
pub fn send_soon(app: &App, background: &Background) {
    let app = app.clone();
    background.run(async move {
        if let Err(error) = send_due(&app, SOON).await {
            log::warn!("automatic messages were not sent: {}", error.source_text());
        }
    });
}

/// Sends due messages for as long as `time`, and repeats what Meta refused temporarily. Returns the number of claimed
/// messages.
pub async fn send_due(app: &App, time: Duration) -> Result<u32, DatabaseError> {
    let queue = AutomaticMessages {
        app,
        deadline: Instant::now() + time,
        claims: OutstandingClaims::default(),
        handed_out: AtomicU32::new(0),
        next_retry: Mutex::new(None),
        failure: Mutex::new(None),
    };
    let capacity = Capacity {
        waiting: BATCH as usize,
        at_once: BATCH as usize,
        batch: BATCH as usize,
        record_within: RECORD_WITHIN,
    };
    claim_send_record(&queue, capacity).await;
    match queue.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(failure) => Err(failure),
        None => Ok(queue.handed_out.into_inner()),
    }
}

/// The queue of automatic messages of all numbers.
struct AutomaticMessages<'a> {
    app: &'a App,
    /// The sender makes no claims after this moment.
    deadline: Instant,
    claims: OutstandingClaims,
    handed_out: AtomicU32,
    /// When the first message that Meta refused temporarily is due again.
    next_retry: Mutex<Option<Instant>>,
    /// The error of the last claim, if it failed.
    failure: Mutex<Option<DatabaseError>>,
}

/// A number with messages in one claim.
struct Number {
    /// None when the number cannot send at the moment.
    context: Option<SendContext>,
    turns: Semaphore,
}

/// A claimed message.
struct Job {
    message: QueuedMessage,
    claim_id: Uuid,
    number: Arc<Number>,
    send_until: Instant,
}

impl AutomaticMessages<'_> {
    async fn jobs_of(&self, claim: Claim) -> Vec<Job> {
        let send_until = Instant::now() + SEND_WITHIN;
        let sessions: BTreeMap<Uuid, &str> = claim
            .messages
            .iter()
            .map(|message| (message.session_id, message.phone_number_id.as_str()))
            .collect();
        let opened = sessions.into_iter().map(|(session, phone_number_id)| async move {
            let number = Number {
                context: SendContext::open(self.app, session, phone_number_id).await.ok(),
                turns: Semaphore::new(AT_ONCE),
            };
            (session, Arc::new(number))
        });
        let numbers: BTreeMap<Uuid, Arc<Number>> = join_all(opened).await.into_iter().collect();
        let claim_id = claim.claim_id;
        claim
            .messages
            .into_iter()
            .filter_map(|message| {
                Some(Job {
                    number: Arc::clone(numbers.get(&message.session_id)?),
                    message,
                    claim_id,
                    send_until,
                })
            })
            .collect()
    }

    async fn report_on(&self, job: &Job) -> Report {
        let Some(context) = &job.number.context else {
            return Report::held();
        };
        let turn = job.number.turns.acquire().await;
        if turn.is_err() || Instant::now() >= job.send_until {
            return Report::held();
        }
        let message = match job.message.outbound() {
            Ok(message) => message,
            Err(report) => return report,
        };
        match context.send(&message).await {
            Some(answer) => Report::of(&answer, job.message.attempts, RetryPolicy::QUEUED),
            None => Report::held(),
        }
    }

    /// Waits while nothing is due. True when another claim may find messages: after the next record, which may make the
    /// next message of a conversation due, or when a retry is due.
    async fn wait_for_more(&self, recorded: Option<Notified<'_>>) -> bool {
        if let Some(recorded) = recorded {
            recorded.await;
            return true;
        }
        let next_retry = self.next_retry().take();
        match next_retry {
            Some(due) if due < self.deadline => {
                sleep_until(due).await;
                true
            }
            _ => false,
        }
    }

    fn next_retry(&self) -> MutexGuard<'_, Option<Instant>> {
        self.next_retry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_retries(&self, outcomes: &[MessageOutcome]) {
        let waits = outcomes.iter().filter_map(|outcome| outcome.report.retry_wait());
        if let Some(wait) = waits.min() {
            let due = Instant::now() + wait;
            let mut next = self.next_retry();
            *next = Some(next.map_or(due, |next| next.min(due)));
        }
    }
}

impl SendQueue for AutomaticMessages<'_> {
    type Job = Job;
    type Outcome = MessageOutcome;

    async fn claim(&self) -> Option<Vec<Job>> {
        while Instant::now() < self.deadline {
            let recorded = self.claims.next_record();
            match claim(self.app, BATCH, LEASE).await {
                Ok(claim) if !claim.messages.is_empty() => {
                    let messages = claim.messages.len();
                    self.claims.add(claim.claim_id, messages);
                    self.handed_out
                        .fetch_add(u32::try_from(messages).unwrap_or(u32::MAX), Ordering::Relaxed);
                    return Some(self.jobs_of(claim).await);
                }
                Ok(_) => {
                    if !self.wait_for_more(recorded).await {
                        return None;
                    }
                }
                Err(error) => {
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return None;
                }
            }
        }
        None
    }

    /// The numbers pace themselves: the queue has no common pace.
    async fn wait_for_turn(&self) {}

    async fn send(&self, job: Job) -> MessageOutcome {
        let report = self.report_on(&job).await;
        job.message.outcome(job.claim_id, report)
    }

    async fn record(&self, outcomes: Vec<MessageOutcome>) {
        let results = outcomes.as_slice();
        let until = Instant::now() + RECORD_GRACE;
        record_until_taken(&"automatic messages", until, || record(self.app, results)).await;
        self.note_retries(results);
        self.claims.settle(results.iter().map(|outcome| outcome.claim_id));
    }
}
