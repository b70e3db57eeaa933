//! A message that is a row already goes to Meta, and what became of it is recorded.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use uuid::Uuid;
use whatsapp::client::{Content, OutboundMessage, Recipient, SendError};
use whatsapp::error_codes::Scope;

use crate::message::Message;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::error::ApiError;
use crm_core::json_body::created;
use sending::outcome::{Outcome, Report};
use sending::{AccessError, NumberAccess, SendWatch, break_session, breaking, unusable_token};

/// Waits before another attempt, when Meta refused for the moment.
const RETRY_AFTER: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// The same for a pair of numbers, which Meta wants held four times longer each time.
const PAIR_RETRY_AFTER: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(16)];
/// What Meta may ask for at most; the message has failed where it asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(16);
/// How long the answer waits for Meta. What takes longer is still sent, and told through Realtime.
const PATIENCE: Duration = Duration::from_secs(8);

/// What `create_message` and `create_message_to` answer with.
#[derive(Deserialize)]
pub(super) struct CreatedMessage {
    message: Message,
    repeated: bool,
    phone_number_id: Option<String>,
    wa_id: Option<String>,
    user_id: Option<String>,
}

/// An outcome as `record_replies` takes it.
#[derive(Serialize)]
struct MessageOutcome<'a> {
    message_id: Uuid,
    #[serde(flatten)]
    report: &'a Report,
}

/// Sends a message that has its row, and answers with what is known after a few seconds.
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
    match timeout(PATIENCE, settled).await {
        Ok(Ok(Some(message))) => Ok(created(message)),
        _ => Ok(created(message)),
    }
}

/// Sends a message that has its row, and answers at once.
pub(super) fn start(app: &App, background: &Background, made: CreatedMessage) -> Message {
    let (message, delivery) = Delivery::of(made);
    let app = app.clone();
    background.run(async move { drop(delivery.run(&app).await) });
    message
}

/// A message on its way to Meta.
pub(super) struct Delivery {
    message_id: Uuid,
    session_id: Uuid,
    phone_number_id: String,
    message: OutboundMessage,
}

impl Delivery {
    /// The message as it stands, and what sends it.
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
            message: OutboundMessage {
                reply_to: made.message.context_message_id.clone(),
                callback_data: Some(made.message.id.to_string()),
                ..OutboundMessage::new(recipient, content)
            },
        };
        (made.message, delivery)
    }

    /// Sends, and records what became of it. None when it could not be recorded: a status of Meta, or the
    /// sweep of the cron run, will settle it.
    pub(super) async fn run(&self, app: &App) -> Option<Message> {
        let report = match self.access(app).await {
            Ok(access) if access.held => Report::unreachable().given_up(),
            Ok(access) => self.send(app, &access).await,
            Err(error) => {
                unusable_token(app, self.session_id, &error).await;
                Report::refused_here("The number's access token could not be read")
            }
        };
        self.record(app, &report).await
    }

    /// What it takes to send. While another message tries out whether Meta answers again, this one waits for it.
    async fn access(&self, app: &App) -> Result<NumberAccess, AccessError> {
        let mut access = NumberAccess::of(app, self.session_id).await?;
        for wait in RETRY_AFTER {
            if !access.held {
                break;
            }
            sleep(wait).await;
            access = NumberAccess::of(app, self.session_id).await?;
        }
        Ok(access)
    }

    async fn send(&self, app: &App, access: &NumberAccess) -> Report {
        let watch = SendWatch::new(self.session_id, access);
        let mut attempt = 0;
        loop {
            let number = app.graph().number(&self.phone_number_id, &access.token);
            let answer = number.send(&self.message).await;
            let resting = watch.note(app, &answer).await;
            if let Some(error) = answer.as_ref().err().and_then(breaking) {
                break_session(app, self.session_id, error).await;
            }
            let report = Report::of(&answer);
            match report.outcome {
                Outcome::Retry => match answer.as_ref().err().and_then(|error| wait_after(error, attempt)) {
                    Some(wait) if !resting => sleep(wait).await,
                    _ => return report.given_up(),
                },
                Outcome::Held => return report.given_up(),
                _ => return report,
            }
            attempt += 1;
        }
    }

    async fn record(&self, app: &App, report: &Report) -> Option<Message> {
        let message_id = self.message_id;
        let arguments = json!({ "results": [MessageOutcome { message_id, report }] });
        for wait in RETRY_AFTER {
            match app
                .supabase()
                .as_service()
                .rpc::<Vec<Message>>("record_replies", &arguments)
                .await
            {
                Ok(messages) => return messages.into_iter().next(),
                Err(error) => log::error!("message {message_id}: not recorded: {}", error.source_text()),
            }
            sleep(wait).await;
        }
        None
    }
}

/// How long to wait before the next attempt; none when it would take longer than somebody waits for a chat message.
fn wait_after(error: &SendError, attempt: usize) -> Option<Duration> {
    let (waits, asked): (&[Duration], _) = match error {
        SendError::Retryable {
            scope, retry_after, ..
        } => match scope {
            Scope::Pair => (&PAIR_RETRY_AFTER, *retry_after),
            _ => (&RETRY_AFTER, *retry_after),
        },
        _ => (&RETRY_AFTER, None),
    };
    let wait = waits.get(attempt)?;
    let wait = asked.map_or(*wait, |asked| asked.max(*wait));
    (wait <= LONGEST_WAIT).then_some(wait)
}

impl Message {
    /// What stands under the name of its type.
    fn body(&self) -> Value {
        self.payload.get(&self.kind).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use whatsapp::client::MetaError;

    use super::*;

    fn waits(scope: Scope, retry_after: Option<u64>) -> Vec<Option<u64>> {
        let error = SendError::Retryable {
            error: Box::new(MetaError::default()),
            scope,
            retry_after: retry_after.map(Duration::from_secs),
        };
        (0..4)
            .map(|attempt| wait_after(&error, attempt).map(|wait| wait.as_secs()))
            .collect()
    }

    #[test]
    fn attempts_are_made_again_as_meta_wants_it() {
        assert_eq!(waits(Scope::Number, None), [Some(2), Some(4), Some(8), None]);
        assert_eq!(waits(Scope::Pair, None), [Some(4), Some(16), None, None]);
        assert_eq!(waits(Scope::Number, Some(5)), [Some(5), Some(5), Some(8), None]);
        assert_eq!(waits(Scope::Number, Some(60)), [None; 4]);
    }
}
