//! Sends a stored message to Meta and records the outcome.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;
use whatsapp::client::{Content, OutboundMessage, Recipient};

use super::turn::wait_for_turn;
use crate::message::Message;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::error::ApiError;
use crm_core::json_body::created;
use sending::outcome::{Outcome, Report};
use sending::{RECORD_GRACE, RetryPolicy, SendContext, Unavailable, record_until_taken};

/// The last attempt begins within this time. A function has 30 s, and Meta's answer must still be recorded.
const DELIVER_WITHIN: Duration = Duration::from_secs(22);
/// How long the answer to the client waits for Meta. A slower send continues, and Realtime reports its outcome.
const WAIT_FOR_META: Duration = Duration::from_secs(8);

/// The answer of `create_message` and `create_message_to`.
#[derive(Deserialize)]
pub(super) struct CreatedMessage {
    message: Message,
    repeated: bool,
    /// Whether an earlier message of the conversation was being sent when this one was stored.
    #[serde(default)]
    behind: bool,
    phone_number_id: Option<String>,
    wa_id: Option<String>,
    user_id: Option<String>,
}

/// An outcome as `record_replies` expects it.
#[derive(Serialize)]
struct MessageOutcome<'a> {
    message_id: Uuid,
    #[serde(flatten)]
    report: &'a Report,
}

/// Sends a stored message, and answers with the outcome if it is known within a few seconds.
pub(super) async fn deliver(
    app: App,
    background: &Background,
    made: CreatedMessage,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    if made.repeated {
        return Ok((StatusCode::OK, Json(made.message)));
    }
    let (message, delivery) = Delivery::of(made);

    // Not part of the request's own future: a client that hangs up must not cut a send from its record.
    let (outcome, settled) = oneshot::channel();
    background.run(async move {
        let recorded = delivery.run(&app).await;
        drop(outcome.send(recorded));
    });
    match timeout(WAIT_FOR_META, settled).await {
        Ok(Ok(Some(message))) => Ok(created(message)),
        _ => Ok(created(message)),
    }
}

/// Sends a stored message after the answer, which comes at once.
pub(super) fn start(app: &App, background: &Background, made: CreatedMessage) -> Message {
    let (message, delivery) = Delivery::of(made);
    let app = app.clone();
    background.run(async move { drop(delivery.run(&app).await) });
    message
}

/// A stored message that is being sent to Meta.
pub(super) struct Delivery {
    message_id: Uuid,
    session_id: Uuid,
    phone_number_id: String,
    behind: bool,
    message: OutboundMessage,
}

impl Delivery {
    /// The stored message for the answer, and the delivery that sends it.
    pub(super) fn of(made: CreatedMessage) -> (Message, Self) {
        let recipient = match (made.wa_id, made.user_id) {
            (Some(number), _) => Recipient::Phone(number),
            (None, id) => Recipient::UserId(id.unwrap_or_default()),
        };
        let content = Content::Prepared {
            kind: made.message.kind.clone(),
            body: made.message.body(),
        };
        let delivery = Self {
            message_id: made.message.id,
            session_id: made.message.session_id,
            phone_number_id: made.phone_number_id.unwrap_or_default(),
            behind: made.behind,
            message: OutboundMessage {
                reply_to: made.message.context_message_id.clone(),
                callback_data: Some(made.message.id.to_string()),
                ..OutboundMessage::new(recipient, content)
            },
        };
        (made.message, delivery)
    }

    /// Sends the message and records the outcome. None when it could not be recorded: a status of Meta or a later cron
    /// run settles it.
    pub(super) async fn run(&self, app: &App) -> Option<Message> {
        let deadline = Instant::now() + DELIVER_WITHIN;
        if self.behind {
            wait_for_turn(app, self.message_id, deadline).await;
        }
        let report = match self.context(app, deadline).await {
            Ok(context) => self.send(&context, deadline).await,
            Err(Unavailable::Resting) => Report::unreachable().given_up(),
            Err(Unavailable::TokenUnusable) => {
                Report::refused_here("The number's access token could not be read")
            }
        };
        self.record(app, &report).await
    }

    /// Opens the send context. While another message tests whether Meta answers again, this one waits.
    async fn context(&self, app: &App, deadline: Instant) -> Result<SendContext, Unavailable> {
        for looks in 1.. {
            let context = SendContext::open(app, self.session_id, &self.phone_number_id).await;
            match (&context, patience(deadline).wait_for_breaker(looks)) {
                (Err(Unavailable::Resting), Some(wait)) => sleep(wait).await,
                _ => return context,
            }
        }
        Err(Unavailable::Resting)
    }

    /// Sends until Meta accepts or refuses the message. It is in no queue: if it would have to wait too long, it fails.
    async fn send(&self, context: &SendContext, deadline: Instant) -> Report {
        for attempts in 1.. {
            let Some(answer) = context.send(&self.message).await else {
                break;
            };
            let report = Report::of(&answer, attempts, patience(deadline));
            match (report.outcome, report.retry_wait()) {
                (Outcome::Retry, Some(wait)) if !context.stopped() => sleep(wait).await,
                (Outcome::Retry | Outcome::Held, _) => return report.given_up(),
                _ => return report,
            }
        }
        Report::unreachable().given_up()
    }

    async fn record(&self, app: &App, report: &Report) -> Option<Message> {
        let message_id = self.message_id;
        let arguments = json!({ "results": [MessageOutcome { message_id, report }] });
        let arguments = &arguments;
        let subject = format!("message {message_id}");
        let recorded = record_until_taken(&subject, Instant::now() + RECORD_GRACE, || async move {
            let database = app.supabase().as_service();
            database.rpc::<Vec<Message>>("record_replies", arguments).await
        });
        recorded.await?.into_iter().next()
    }
}

fn patience(deadline: Instant) -> RetryPolicy {
    RetryPolicy::within(deadline.saturating_duration_since(Instant::now()))
}

impl Message {
    /// The content under the name of its type.
    fn body(&self) -> Value {
        self.payload.get(&self.kind).cloned().unwrap_or_default()
    }
}
