//! Sends the campaigns of a number, in the loop that claims, sends and records.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::time::{Instant, sleep, sleep_until};
use whatsapp::client::SendError;
use whatsapp::error_codes;

use super::lease::Lease;
use super::number_report::NumberReport;
use super::pace::Pace;
use super::recipient_job::{Job, jobs_of};
use super::sender_queue::{LEASE, LeasedNumber, RecipientReport, SenderQueue};
use crm_core::app::App;
use crm_core::background::Background;
use sending::outcome::{Outcome, Report};
use sending::{
    Answer, Capacity, OutstandingClaims, RECORD_GRACE, RetryPolicy, SendContext, SendQueue, Unavailable,
    asked_pause, back_off, claim_send_record, record_until_taken,
};

/// Outcomes are recorded together if they arrive within this time.
const RECORD_WITHIN: Duration = Duration::from_millis(250);
/// The most recipients of one claim and of one record.
const MAX_BATCH: usize = 500;
/// The recipients of the only claim of a probe.
const PROBE_BATCH: usize = 5;

/// Error codes that concern the whole campaign.
const STOPS_CAMPAIGN: [i64; 3] = [
    error_codes::SPAM_RATE_LIMIT,
    error_codes::TEMPLATE_PAUSED,
    error_codes::TEMPLATE_DISABLED,
];

/// The sender of one number in this run.
pub(super) struct NumberSender {
    app: App,
    queue: SenderQueue,
    number: LeasedNumber,
    background: Background,
    /// The sender makes no claims after this moment.
    deadline: Instant,
    lease: Lease,
    context: SendContext,
    claims: OutstandingClaims,
    pace: Mutex<Pace>,
    report: Mutex<NumberReport>,
    /// The claim of a probe has been made.
    probed: AtomicBool,
}

/// Sends for a number until nothing is left, the deadline comes, or the number must stop. Then it releases the number.
pub(super) async fn send_for_number(
    app: &App,
    queue: &SenderQueue,
    number: LeasedNumber,
    background: &Background,
    deadline: Instant,
) -> NumberReport {
    let session = number.session_id;
    let lease = Lease::since(Instant::now());
    let context = match SendContext::open(app, session, &number.phone_number_id).await {
        Ok(context) => context,
        Err(unavailable) => {
            if unavailable == Unavailable::Resting {
                log::warn!("number {session} rests: Meta does not answer");
            }
            release(queue, &number, &OutstandingClaims::default()).await;
            return NumberReport::new(session);
        }
    };
    let sender = NumberSender {
        app: app.clone(),
        queue: queue.clone(),
        background: background.clone(),
        deadline,
        lease,
        context,
        claims: OutstandingClaims::default(),
        pace: Mutex::new(Pace::new(number.messages_per_second)),
        report: Mutex::new(NumberReport::new(session)),
        probed: AtomicBool::new(false),
        number,
    };
    claim_send_record(&sender, sender.capacity()).await;
    release(queue, &sender.number, &sender.claims).await;
    sender.report.into_inner().unwrap_or_else(PoisonError::into_inner)
}

async fn release(queue: &SenderQueue, number: &LeasedNumber, claims: &OutstandingClaims) {
    if let Err(error) = queue.release(number.session_id, &claims.known()).await {
        log::warn!(
            "number {}: lease not released: {}",
            number.session_id,
            error.source_text()
        );
    }
}

impl NumberSender {
    fn capacity(&self) -> Capacity {
        let per_second = self.number.messages_per_second as usize;
        Capacity {
            waiting: per_second.div_ceil(20).min(MAX_BATCH),
            at_once: (per_second * 4).clamp(16, 256),
            batch: MAX_BATCH,
            record_within: RECORD_WITHIN,
        }
    }

    /// The messages of a quarter of a second. A small batch limits how many become `unknown` if the process dies.
    fn batch_size(&self) -> usize {
        (self.number.messages_per_second as usize / 4).clamp(5, MAX_BATCH)
    }

    /// The number of recipients to claim next. During a trial it is one, after the previous send has ended.
    async fn next_batch(&self) -> usize {
        if !self.context.on_trial() {
            return if self.number.probe {
                PROBE_BATCH
            } else {
                self.batch_size()
            };
        }
        if let Some(recorded) = self.claims.next_record() {
            recorded.await;
        }
        1
    }

    /// Waits while nothing is due. True when another claim may find recipients. `recorded` is the next record after the
    /// claim.
    async fn wait_for_more(&self, next_due_ms: Option<f64>, recorded: Option<Notified<'_>>) -> bool {
        match (next_due_ms, recorded) {
            // A claim renews the lease.
            (Some(milliseconds), _) => {
                let wait = Duration::from_secs_f64(milliseconds.max(10.0) / 1000.0);
                if Instant::now() + wait >= self.deadline {
                    return false;
                }
                sleep(wait.min(LEASE / 3)).await;
                true
            }
            // A message that is being sent may come back for a retry.
            (None, Some(recorded)) => {
                recorded.await;
                true
            }
            (None, None) => false,
        }
    }

    fn may_send(&self) -> bool {
        !self.context.stopped() && self.lease.holds()
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_job(&self, job: Job) -> RecipientReport {
        // The wait for the pace may have been long: check again just before sending.
        if !self.may_send() {
            return job.report(Report::held());
        }
        let message = match job.message() {
            Ok(message) => message,
            Err(report) => return job.report(report),
        };
        match self.context.send(&message).await {
            Some(answer) => self.report_on(&job, &answer),
            None => job.report(Report::held()),
        }
    }

    /// Derives from the answer the report on the recipient, and the effects on the campaign and the pace of the number.
    fn report_on(&self, job: &Job, answer: &Answer) -> RecipientReport {
        if let Some(pause) = answer.as_ref().err().and_then(asked_pause) {
            self.pace().slow_down(pause);
        }
        let attempts = job.recipient.attempts;
        let mut report = job.report(Report::of(answer, attempts, RetryPolicy::QUEUED));
        if let Err(SendError::Rejected { error }) = answer
            && STOPS_CAMPAIGN.contains(&error.code)
        {
            report.report.outcome = Outcome::Held;
            report.pause_campaign = true;
        }
        report
    }
}

impl SendQueue for NumberSender {
    type Job = Job;
    type Outcome = RecipientReport;

    async fn claim(&self) -> Option<Vec<Job>> {
        if self.number.probe && self.probed.load(Ordering::Relaxed) {
            return None;
        }
        let mut failures = 0;
        while !self.context.stopped() && Instant::now() < self.deadline {
            let batch = self.next_batch().await;
            if self.context.stopped() {
                return None;
            }
            let asked = Instant::now();
            let recorded = self.claims.next_record();
            let known = self.claims.known();
            let claim = match self.queue.claim(self.number.session_id, batch, &known).await {
                Ok(claim) => claim?,
                Err(error) => {
                    log::warn!(
                        "number {}: no claim: {}",
                        self.number.session_id,
                        error.source_text()
                    );
                    failures += 1;
                    sleep(back_off(failures)).await;
                    continue;
                }
            };
            failures = 0;
            self.lease.renew(asked);
            if !claim.recipients.is_empty() {
                self.probed.store(true, Ordering::Relaxed);
                self.claims.add(claim.claim_id, claim.recipients.len());
                return Some(jobs_of(claim).collect());
            }
            if !self.wait_for_more(claim.next_due_ms, recorded).await {
                return None;
            }
        }
        None
    }

    /// Waits for the pace, if the number may send.
    async fn wait_for_turn(&self) {
        if self.may_send() {
            let next = self.pace().next();
            sleep_until(next).await;
        }
    }

    fn send(&self, job: Job) -> impl Future<Output = RecipientReport> + Send {
        self.pace().count();
        self.send_job(job)
    }

    /// Records a batch, and tries for as long as the run may last.
    async fn record(&self, batch: Vec<RecipientReport>) {
        let session = self.number.session_id;
        let subject = format!("number {session}");
        let results = batch.as_slice();
        let recorded = record_until_taken(&subject, self.deadline + RECORD_GRACE, || async move {
            let asked = Instant::now();
            let campaigns = self.queue.record(session, results).await?;
            Ok((asked, campaigns))
        })
        .await;
        if let Some((asked, campaigns)) = recorded {
            if self.lease.holds() {
                self.lease.renew(asked);
            }
            self.app.progress().changed(&campaigns, &self.background);
        }
        self.claims.settle(batch.iter().map(|report| report.claim_id));
        let mut total = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        for report in &batch {
            total.count(report.report.outcome);
        }
    }
}
