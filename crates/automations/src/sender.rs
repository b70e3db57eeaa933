//! Messages that were queued to be sent by themselves go to Meta.
//!
//! Each is handed out once, under a lease. Whoever dies with one may have sent it: the database marks it `unknown`, and
//! nobody sends it again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use supabase::DatabaseError;
use tokio::time::{Instant, sleep};
use uuid::Uuid;
use whatsapp::client::{Content, OutboundMessage, Recipient};

use crm_core::app::App;
use crm_core::background::Background;
use sending::outcome::{Outcome, Report};
use sending::{NumberAccess, SendWatch, break_session, breaking, unusable_token};

/// How long what was handed out is ours.
const LEASE: Duration = Duration::from_secs(90);
/// What has waited longer than this since it was handed out is given back: the rest of the lease is for Meta's answer.
const SEND_WITHIN: Duration = Duration::from_secs(45);
/// How long work behind the answer of a webhook goes on.
const SOON: Duration = Duration::from_secs(20);
/// Messages of one claim.
const BATCH: u32 = 50;
/// Sends of one number at the same time.
const AT_ONCE: usize = 8;
/// Waits before another attempt, when Meta refused for the moment.
const RETRY_AFTER: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// When to look again at a number that cannot send for no fault of the message.
const HELD_FOR: Duration = Duration::from_secs(30);

/// What was handed out.
#[derive(Deserialize)]
struct Claim {
    claim_id: Uuid,
    messages: Vec<QueuedMessage>,
}

/// A message to send.
#[derive(Deserialize)]
struct QueuedMessage {
    message_id: Uuid,
    session_id: Uuid,
    phone_number_id: String,
    wa_id: Option<String>,
    user_id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    payload: Value,
    context_message_id: Option<String>,
    /// With this one.
    attempts: usize,
}

/// An outcome as `record_automatic_messages` takes it.
#[derive(Serialize)]
struct MessageOutcome {
    message_id: Uuid,
    claim_id: Uuid,
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in_ms: Option<u64>,
}

/// Sends what is due behind the answer. What is left over when the process dies is cron's.
pub fn send_soon(app: &App, background: &Background) {
    let app = app.clone();
    background.run(async move {
        if let Err(error) = send_due(&app, SOON).await {
            log::warn!("automatic messages were not sent: {}", error.source_text());
        }
    });
}

/// Sends what is due, and what Meta refused for the moment once its time has come, for as long as `time`. Answers with
/// how many messages were handed out.
pub async fn send_due(app: &App, time: Duration) -> Result<u32, DatabaseError> {
    let deadline = Instant::now() + time;
    let mut handed_out = 0;
    while Instant::now() < deadline {
        let arguments = json!({ "batch_size": BATCH, "lease_seconds": LEASE.as_secs() });
        let claim: Claim = app
            .supabase()
            .as_service()
            .rpc("claim_automatic_messages", &arguments)
            .await?;
        if claim.messages.is_empty() {
            break;
        }
        handed_out += u32::try_from(claim.messages.len()).unwrap_or(u32::MAX);
        let send_until = Instant::now() + SEND_WITHIN;
        let mut numbers: BTreeMap<Uuid, Vec<QueuedMessage>> = BTreeMap::new();
        for message in claim.messages {
            numbers.entry(message.session_id).or_default().push(message);
        }
        let waits = join_all(
            numbers
                .into_iter()
                .map(|(session, messages)| send_for(app, session, messages, claim.claim_id, send_until)),
        )
        .await;
        if let Some(wait) = waits.into_iter().flatten().min() {
            sleep(wait).await;
        }
    }
    Ok(handed_out)
}

/// Sends the messages of one number and records them. Answers with when the first of them is due again.
async fn send_for(
    app: &App,
    session_id: Uuid,
    messages: Vec<QueuedMessage>,
    claim_id: Uuid,
    send_until: Instant,
) -> Option<Duration> {
    let access = match NumberAccess::of(app, session_id).await {
        Ok(access) if access.held => Err(Report::held()),
        Ok(access) => Ok(access),
        Err(error) => {
            unusable_token(app, session_id, &error).await;
            Err(Report::held())
        }
    };
    let watch = access
        .as_ref()
        .ok()
        .map(|access| SendWatch::new(session_id, access));
    let (access, watch) = (&access, &watch);
    let outcomes: Vec<MessageOutcome> = stream::iter(messages)
        .map(|message| async move {
            let report = match (access, watch) {
                (Ok(access), Some(watch)) if Instant::now() < send_until => {
                    send(app, &message, access, watch).await
                }
                (Err(report), _) => report.clone(),
                _ => Report::held(),
            };
            outcome_of(&message, claim_id, report)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let soonest = outcomes
        .iter()
        .filter(|outcome| outcome.report.outcome == Outcome::Retry)
        .filter_map(|outcome| outcome.retry_in_ms)
        .min();
    record(app, &outcomes).await;
    soonest.map(Duration::from_millis)
}

async fn send(app: &App, message: &QueuedMessage, access: &NumberAccess, watch: &SendWatch) -> Report {
    let recipient = match (&message.wa_id, &message.user_id) {
        (Some(number), _) => Recipient::Phone(number.clone()),
        (None, Some(id)) => Recipient::UserId(id.clone()),
        (None, None) => return Report::refused_here("The contact has no address"),
    };
    let body = message.payload.get(&message.kind).cloned().unwrap_or_default();
    let content = Content::Prepared {
        kind: message.kind.clone(),
        body,
    };
    let outbound = OutboundMessage {
        reply_to: message.context_message_id.clone(),
        callback_data: Some(message.message_id.to_string()),
        ..OutboundMessage::new(recipient, content)
    };
    let number = app.graph().number(&message.phone_number_id, &access.token);
    let answer = number.send(&outbound).await;
    watch.note(app, &answer).await;
    if let Some(error) = answer.as_ref().err().and_then(breaking) {
        break_session(app, message.session_id, error).await;
    }
    Report::of(&answer)
}

/// What is recorded of an attempt: one that may be made again says when, the last one has failed.
fn outcome_of(message: &QueuedMessage, claim_id: Uuid, report: Report) -> MessageOutcome {
    let wait = match report.outcome {
        Outcome::Retry => RETRY_AFTER.get(message.attempts.saturating_sub(1)).copied(),
        Outcome::Held => Some(HELD_FOR),
        Outcome::Sent | Outcome::Failed | Outcome::Unknown => None,
    };
    let report = match (report.outcome, wait) {
        (Outcome::Retry, None) => report.given_up(),
        _ => report,
    };
    MessageOutcome {
        message_id: message.message_id,
        claim_id,
        report,
        retry_in_ms: wait.and_then(|wait| u64::try_from(wait.as_millis()).ok()),
    }
}

/// What cannot be recorded becomes `unknown` when the lease ends, until a status of Meta's settles it.
async fn record(app: &App, outcomes: &[MessageOutcome]) {
    let arguments = json!({ "results": outcomes });
    for wait in RETRY_AFTER {
        let recorded = app
            .supabase()
            .as_service()
            .rpc::<()>("record_automatic_messages", &arguments)
            .await;
        match recorded {
            Ok(()) => return,
            Err(error) => log::error!("automatic messages are not recorded: {}", error.source_text()),
        }
        sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use whatsapp::client::SendError;

    use super::*;

    fn after(attempts: usize, report: Report) -> (Outcome, Option<u64>) {
        let message = QueuedMessage {
            message_id: Uuid::nil(),
            session_id: Uuid::nil(),
            phone_number_id: String::new(),
            wa_id: None,
            user_id: None,
            kind: "text".to_owned(),
            payload: Value::Null,
            context_message_id: None,
            attempts,
        };
        let outcome = outcome_of(&message, Uuid::nil(), report);
        (outcome.report.outcome, outcome.retry_in_ms)
    }

    #[test]
    fn an_attempt_is_made_again_three_times_with_growing_waits() {
        let unreachable = || {
            Report::of(&Err(SendError::NotSent {
                reason: "refused".into(),
            }))
        };
        assert_eq!(after(1, unreachable()), (Outcome::Retry, Some(2000)));
        assert_eq!(after(2, unreachable()), (Outcome::Retry, Some(4000)));
        assert_eq!(after(3, unreachable()), (Outcome::Retry, Some(8000)));
        assert_eq!(after(4, unreachable()), (Outcome::Failed, None));
    }

    #[test]
    fn what_is_held_waits_as_often_as_it_takes() {
        assert_eq!(after(40, Report::held()), (Outcome::Held, Some(30_000)));
    }

    #[test]
    fn what_may_have_gone_out_is_not_tried_again() {
        let lost = Report::of(&Err(SendError::OutcomeUnknown {
            reason: "timed out".into(),
            error: None,
        }));
        assert_eq!(after(1, lost), (Outcome::Unknown, None));
    }
}
