//! Sends for one number: claims, sends at the number's pace, records per batch.
//!
//! Three loops run side by side: claims fill a short queue, sends empty it, outcomes are collected and
//! recorded. Whatever is claimed is recorded; what cannot be is found by the next run, which marks it
//! `unknown`. Nothing here ever decides to send a recipient again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::client::{Accepted, Content, MetaError, OutboundMessage, Recipient, SendError, SystemToken};
use whatsapp::error_codes::{self, Scope};
use whatsapp::template::{ProblemReason, TemplateDefinition, Variables};

use super::pace::Pace;
use super::sender_queue::{
    Claim, ClaimedRecipient, LEASE, LeasedNumber, RecipientReport, SenderQueue, TemplateRow,
};
use crm_core::app::App;
use crm_core::background::Background;
use sending::outcome::{Outcome, Report};
use sending::{NumberAccess, SendWatch, break_session, breaking, unusable_token};

/// Outcomes are recorded together when they come within this time.
const RECORD_WITHIN: Duration = Duration::from_millis(250);
/// The most recipients of one claim and of one record.
const MAX_BATCH: usize = 500;
/// Waits before the attempts after the first.
const RETRY_AFTER: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// Meta lets a pair of numbers exchange one message in six seconds, and asks for four times longer each time.
const PAIR_HOLD: Duration = Duration::from_secs(6);
/// How long the end of a run may go on recording after the last send.
const RECORD_GRACE: Duration = Duration::from_secs(20);

/// Refusals that concern the whole campaign.
const STOPS_CAMPAIGN: [i64; 3] = [
    error_codes::SPAM_RATE_LIMIT,
    error_codes::TEMPLATE_PAUSED,
    error_codes::TEMPLATE_DISABLED,
];

/// What a run did for one number.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct NumberReport {
    pub(super) session_id: Uuid,
    pub(super) sent: u32,
    pub(super) failed: u32,
    /// Refused for now: tried again later.
    pub(super) retried: u32,
    /// Handed to Meta without an answer.
    pub(super) unknown: u32,
}

/// A recipient on its way.
struct Job {
    recipient: ClaimedRecipient,
    claim_id: Uuid,
    /// Or why nothing can be sent.
    content: Result<Content, String>,
}

/// The way to Meta for this number.
struct Line {
    token: SystemToken,
    watch: SendWatch,
    /// The breaker lets one message through, to see whether Meta answers again.
    trial: AtomicBool,
}

pub(super) struct NumberSender {
    app: App,
    queue: SenderQueue,
    number: LeasedNumber,
    background: Background,
    /// No claims after that.
    deadline: Instant,
    /// Until then the lease is known to hold.
    leased_until: Mutex<Instant>,
    /// Set when the number must not send any more in this run.
    stopped: AtomicBool,
    /// How many recipients of each claim are not yet recorded.
    outstanding: Mutex<HashMap<Uuid, usize>>,
    recorded: Notify,
    line: OnceLock<Line>,
}

impl NumberSender {
    pub(super) fn new(
        app: App,
        queue: SenderQueue,
        number: LeasedNumber,
        background: Background,
        deadline: Instant,
    ) -> Self {
        Self {
            app,
            queue,
            number,
            background,
            deadline,
            leased_until: Mutex::new(Instant::now() + LEASE),
            stopped: AtomicBool::new(false),
            outstanding: Mutex::default(),
            recorded: Notify::new(),
            line: OnceLock::new(),
        }
    }

    /// Sends until nothing is left, the deadline comes, or the number may not go on.
    pub(super) async fn run(self) -> NumberReport {
        if !self.open_line().await {
            self.release().await;
            return self.new_tally();
        }
        let per_second = self.number.messages_per_second as usize;
        let (jobs, waiting) = mpsc::channel(per_second.div_ceil(20).min(MAX_BATCH));
        let (done, reports) = mpsc::channel(MAX_BATCH);

        let ((), (), tally) = tokio::join!(
            self.claim_all(jobs),
            self.send_all(waiting, done),
            self.record_all(reports)
        );

        self.release().await;
        tally
    }

    async fn release(&self) {
        let known = self.known_claims();
        if let Err(error) = self.queue.release(self.number.session_id, &known).await {
            log::warn!(
                "number {}: lease not released: {}",
                self.number.session_id,
                error.source_text()
            );
        }
    }

    fn new_tally(&self) -> NumberReport {
        NumberReport {
            session_id: self.number.session_id,
            ..NumberReport::default()
        }
    }

    /// The number's token, unless its breaker is open.
    async fn open_line(&self) -> bool {
        let session = self.number.session_id;
        match NumberAccess::of(&self.app, session).await {
            Ok(access) if access.held => {
                log::warn!("number {session} rests: Meta does not answer");
                false
            }
            Ok(access) => {
                let line = Line {
                    watch: SendWatch::new(session, &access),
                    trial: AtomicBool::new(access.trial),
                    token: access.token,
                };
                self.line.set(line).is_ok()
            }
            Err(error) => {
                unusable_token(&self.app, session, &error).await;
                false
            }
        }
    }

    /// While Meta is being tried out, what is on its way comes first.
    async fn wait_for_trial(&self) -> bool {
        let recorded = self.recorded.notified();
        let on_trial = self
            .line
            .get()
            .is_some_and(|line| line.trial.load(Ordering::Relaxed));
        if on_trial && !self.outstanding().is_empty() {
            recorded.await;
        }
        on_trial
    }

    fn outstanding(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        self.outstanding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims with recipients that are still to be recorded.
    fn known_claims(&self) -> Vec<Uuid> {
        self.outstanding().keys().copied().collect()
    }

    fn settle(&self, recorded: &[RecipientReport]) {
        let mut outstanding = self.outstanding();
        for report in recorded {
            if let Some(left) = outstanding.get_mut(&report.claim_id) {
                *left = left.saturating_sub(1);
            }
        }
        outstanding.retain(|_, left| *left > 0);
    }

    /// A quarter of a second's worth: what is claimed when the process dies stays unknown, or is never sent.
    fn batch_size(&self) -> usize {
        (self.number.messages_per_second as usize / 4).clamp(5, MAX_BATCH)
    }

    async fn claim_all(&self, jobs: mpsc::Sender<Job>) {
        let mut failures = 0;
        while !self.stopped.load(Ordering::Relaxed) && Instant::now() < self.deadline {
            let batch = if self.wait_for_trial().await {
                1
            } else {
                self.batch_size()
            };
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let asked = Instant::now();
            let known = self.known_claims();
            let claim = match self.queue.claim(self.number.session_id, batch, &known).await {
                Ok(Some(claim)) => claim,
                Ok(None) => return,
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
            self.renew(asked);
            if claim.recipients.is_empty() {
                if !self.wait_for_more(claim.next_due_ms).await {
                    return;
                }
                continue;
            }
            self.outstanding().insert(claim.claim_id, claim.recipients.len());
            for job in jobs_of(claim) {
                if jobs.send(job).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Nothing is due. True when it is worth asking again.
    async fn wait_for_more(&self, next_due_ms: Option<f64>) -> bool {
        let recorded = self.recorded.notified();
        match next_due_ms {
            // The lease is renewed by asking.
            Some(milliseconds) => {
                let wait = Duration::from_secs_f64(milliseconds.max(10.0) / 1000.0);
                if Instant::now() + wait >= self.deadline {
                    return false;
                }
                sleep(wait.min(LEASE / 3)).await;
                true
            }
            // What is on its way may come back to be retried.
            None if !self.outstanding().is_empty() => {
                recorded.await;
                true
            }
            None => false,
        }
    }

    async fn send_all(&self, mut waiting: mpsc::Receiver<Job>, done: mpsc::Sender<RecipientReport>) {
        let per_second = self.number.messages_per_second;
        let concurrency = (per_second as usize * 4).clamp(16, 256);
        let mut pace = Pace::new(per_second);
        let mut sends = FuturesUnordered::new();
        let mut next: Option<Job> = None;
        let mut more = true;

        while more || next.is_some() || !sends.is_empty() {
            let free = sends.len() < concurrency;
            tokio::select! {
                Some(report) = sends.next() => {
                    let SendReport { recipient, slow_down } = report;
                    if slow_down {
                        pace.slow_down();
                    }
                    if done.send(recipient).await.is_err() {
                        return;
                    }
                }
                job = waiting.recv(), if more && next.is_none() => {
                    more = job.is_some();
                    next = job;
                }
                () = self.turn(&pace), if free && next.is_some() => {
                    if let Some(job) = next.take() {
                        pace.count();
                        sends.push(self.send(job));
                    }
                }
            }
        }
    }

    /// Waits for the pace, unless there is nothing to wait for.
    async fn turn(&self, pace: &Pace) {
        if self.may_send() {
            sleep_until(pace.next()).await;
        }
    }

    fn may_send(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed) && self.lease_holds()
    }

    fn lease_holds(&self) -> bool {
        Instant::now() < *self.leased_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts from before the question: the database's clock started no earlier.
    fn renew(&self, asked: Instant) {
        *self.leased_until.lock().unwrap_or_else(PoisonError::into_inner) = asked + LEASE;
    }

    async fn send(&self, job: Job) -> SendReport {
        // The pace may have made it wait for long: ask again at the last moment.
        if !self.may_send() {
            return SendReport::quiet(report_on(&job, Report::held()));
        }
        let content = match &job.content {
            Ok(content) => content,
            Err(problems) => {
                let report = Report {
                    error_details: Some(problems.clone()),
                    ..Report::refused_here("The stored template cannot be filled for this recipient")
                };
                return SendReport::quiet(report_on(&job, report));
            }
        };
        let message = OutboundMessage {
            callback_data: Some(job.recipient.message_id.to_string()),
            ..OutboundMessage::new(Recipient::Phone(job.recipient.wa_id.clone()), content.clone())
        };
        let Some(line) = self.line.get() else {
            return SendReport::quiet(report_on(&job, Report::held()));
        };
        let number = self.app.graph().number(&self.number.phone_number_id, &line.token);
        let answer = number.send(&message).await;
        if line.watch.note(&self.app, &answer).await && !self.stopped.swap(true, Ordering::Relaxed) {
            log::error!("number {} rests: Meta does not answer", self.number.session_id);
        }
        let answered = !matches!(
            answer,
            Err(SendError::NotSent { .. } | SendError::OutcomeUnknown { .. })
        );
        if answered {
            line.trial.store(false, Ordering::Relaxed);
        }
        self.judge(&job, &answer).await
    }

    async fn judge(&self, job: &Job, answer: &Result<Accepted, SendError>) -> SendReport {
        let mut report = report_on(job, Report::of(answer));
        let mut slow_down = false;
        if let Some(error) = answer.as_ref().err().and_then(breaking) {
            report.report.outcome = Outcome::Held;
            self.stop_number(error).await;
            return SendReport::quiet(report);
        }
        match answer {
            Ok(_) | Err(SendError::OutcomeUnknown { .. }) => {}
            Err(SendError::Rejected { error }) if STOPS_CAMPAIGN.contains(&error.code) => {
                report.report.outcome = Outcome::Held;
                report.pause_campaign = true;
            }
            Err(
                SendError::Rejected { .. }
                | SendError::TokenInvalid { .. }
                | SendError::AccountBlocked { .. },
            ) => {}
            Err(SendError::Retryable { scope, .. }) => {
                slow_down = matches!(scope, Scope::Number | Scope::App | Scope::Account);
                retry(&mut report, job.recipient.attempts, matches!(scope, Scope::Pair));
            }
            Err(SendError::NotSent { .. }) => retry(&mut report, job.recipient.attempts, false),
        }
        SendReport {
            recipient: report,
            slow_down,
        }
    }

    async fn stop_number(&self, error: &MetaError) {
        if !self.stopped.swap(true, Ordering::Relaxed) {
            log::error!("number {} stops: Meta refuses it", self.number.session_id);
            break_session(&self.app, self.number.session_id, error).await;
        }
    }

    async fn record_all(&self, mut reports: mpsc::Receiver<RecipientReport>) -> NumberReport {
        let mut tally = self.new_tally();
        let mut batch = Vec::new();
        while let Some(first) = reports.recv().await {
            batch.push(first);
            let until = Instant::now() + RECORD_WITHIN;
            while batch.len() < MAX_BATCH {
                match timeout_at(until, reports.recv()).await {
                    Ok(Some(report)) => batch.push(report),
                    Ok(None) | Err(_) => break,
                }
            }
            self.record(&batch).await;
            self.settle(&batch);
            self.recorded.notify_waiters();
            batch
                .drain(..)
                .for_each(|report| tally.count(report.report.outcome));
        }
        tally
    }

    /// Records a batch, for as long as the run may last. Recording again what was recorded changes nothing.
    async fn record(&self, batch: &[RecipientReport]) {
        let mut failures = 0;
        loop {
            let asked = Instant::now();
            match self.queue.record(self.number.session_id, batch).await {
                Ok(campaigns) => {
                    if self.lease_holds() {
                        self.renew(asked);
                    }
                    self.app.progress().changed(&campaigns, &self.background);
                    return;
                }
                Err(error) => {
                    log::error!(
                        "number {}: outcomes not recorded: {}",
                        self.number.session_id,
                        error.source_text()
                    );
                }
            }
            failures += 1;
            if Instant::now() >= self.deadline + RECORD_GRACE {
                return;
            }
            sleep(back_off(failures)).await;
        }
    }
}

impl NumberReport {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Sent => self.sent += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Retry | Outcome::Held => self.retried += 1,
            Outcome::Unknown => self.unknown += 1,
        }
    }
}

/// An outcome, and what it means for the pace.
struct SendReport {
    recipient: RecipientReport,
    slow_down: bool,
}

impl SendReport {
    fn quiet(recipient: RecipientReport) -> Self {
        Self {
            recipient,
            slow_down: false,
        }
    }
}

fn back_off(failures: u32) -> Duration {
    Duration::from_millis(100 * 2_u64.pow(failures.min(6)))
}

/// Plans another attempt, or gives up after the last.
fn retry(report: &mut RecipientReport, attempts: u32, pair: bool) {
    let Some(&wait) = RETRY_AFTER.get(attempts.saturating_sub(1) as usize) else {
        report.report.outcome = Outcome::Failed;
        return;
    };
    let wait = if pair {
        PAIR_HOLD * 4_u32.pow(attempts.saturating_sub(1))
    } else {
        wait
    };
    report.retry_in_ms = u64::try_from(wait.as_millis()).ok();
}

fn report_on(job: &Job, report: Report) -> RecipientReport {
    RecipientReport {
        recipient_id: job.recipient.recipient_id,
        message_id: job.recipient.message_id,
        claim_id: job.claim_id,
        report,
        retry_in_ms: None,
        pause_campaign: false,
    }
}

fn jobs_of(claim: Claim) -> impl Iterator<Item = Job> {
    let claim_id = claim.claim_id;
    let templates: HashMap<Uuid, (TemplateRow, Option<TemplateDefinition>)> = claim
        .templates
        .into_iter()
        .map(|(id, row)| {
            let definition = TemplateDefinition::parse(&row.components).ok();
            (id, (row, definition))
        })
        .collect();
    claim.recipients.into_iter().map(move |recipient| {
        let content = match templates.get(&recipient.template_id) {
            Some((row, Some(definition))) => filled(row, definition, &recipient.variables),
            _ => Err("the template cannot be read".to_owned()),
        };
        Job {
            recipient,
            claim_id,
            content,
        }
    })
}

/// The template with a recipient's values, or what is wrong with them. Values beyond those it needs are left: it may have
/// needed more when the campaign was made.
fn filled(
    row: &TemplateRow,
    definition: &TemplateDefinition,
    variables: &Variables,
) -> Result<Content, String> {
    let problems: Vec<String> = definition
        .check(variables)
        .err()
        .unwrap_or_default()
        .iter()
        .filter(|problem| problem.reason != ProblemReason::Unexpected)
        .map(|problem| format!("{}: {}", problem.variable, problem.reason))
        .collect();
    if !problems.is_empty() {
        return Err(problems.join("; "));
    }
    Ok(Content::Template {
        name: row.name.clone(),
        language: row.language.clone(),
        components: definition.components(variables),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_beyond_those_a_template_needs_do_no_harm_and_what_is_wrong_is_named() {
        let components = json!([{"type": "BODY", "text": "Halo {{1}}, apa kabar hari ini?"}]);
        let definition = TemplateDefinition::parse(&components).unwrap();
        let row = TemplateRow {
            name: "promo".to_owned(),
            language: "id".to_owned(),
            components,
        };
        let fill = |values: &[&str]| {
            let values = values.iter().map(ToString::to_string).collect();
            filled(&row, &definition, &Variables::Positional(values))
        };
        assert!(fill(&["Ani", "Solo", ""]).is_ok());
        assert_eq!(fill(&[]).unwrap_err(), "1: a value is missing");
        assert!(fill(&["A\nB"]).unwrap_err().starts_with("1: line breaks"));
    }

    fn report() -> RecipientReport {
        RecipientReport {
            recipient_id: Uuid::nil(),
            message_id: Uuid::nil(),
            claim_id: Uuid::nil(),
            report: Report::held(),
            retry_in_ms: None,
            pause_campaign: false,
        }
    }

    #[test]
    fn three_retries_after_two_four_and_eight_seconds() {
        for (attempts, wait) in [(1, Some(2000)), (2, Some(4000)), (3, Some(8000)), (4, None)] {
            let mut report = report();
            retry(&mut report, attempts, false);
            assert_eq!(report.retry_in_ms, wait);
            assert_eq!(report.report.outcome == Outcome::Failed, wait.is_none());
        }
    }

    #[test]
    fn a_pair_is_held_four_times_longer_each_time() {
        let waits = [1, 2, 3].map(|attempts| {
            let mut report = report();
            retry(&mut report, attempts, true);
            report.retry_in_ms
        });
        assert_eq!(waits, [Some(6000), Some(24_000), Some(96_000)]);
    }
}
