//! `POST /api/conversations/{id}/messages`: a person answers.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::client::{Content, OutboundMessage, Recipient, SendError};

use super::message::Message;
use crate::app::App;
use crate::background::Background;
use crate::caller::Permitted;
use crate::error::{ApiError, ErrorBody};
use crate::json_body::{JsonBody, created};
use crate::outcome::{Outcome, Report};
use crate::path_id::PathId;
use crate::permissions::MessagesSend;
use crate::text::Text;

/// Meta's limit of a text, in characters.
const MAX_TEXT: usize = 4096;
/// Waits before another attempt, when Meta refused for the moment.
const RETRY_AFTER: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// How long the answer waits for Meta. What takes longer is still sent, and told through Realtime.
const PATIENCE: Duration = Duration::from_secs(8);

/// What to say.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Reply {
    /// Only `text` for now.
    #[serde(rename = "type", default)]
    kind: ReplyKind,
    /// The text, alone or with its options.
    text: ReplyText,
}

/// The type of a reply.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ReplyKind {
    #[default]
    Text,
}

/// A text: `"hello"` or `{"body": "hello", "preview_url": true}`.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a text or an object with `body`")]
enum ReplyText {
    Body(String),
    Options {
        body: String,
        /// Whether WhatsApp shows a preview of the first link.
        #[serde(default)]
        preview_url: bool,
    },
}

impl ReplyText {
    fn checked(self) -> Result<(String, bool), ApiError> {
        let (body, preview_url) = match self {
            Self::Body(body) => (body, false),
            Self::Options { body, preview_url } => (body, preview_url),
        };
        if body.trim().is_empty() {
            return Err(ApiError::field(
                "text",
                Text::new("must not be empty", "tidak boleh kosong"),
            ));
        }
        if body.chars().count() > MAX_TEXT {
            return Err(ApiError::field(
                "text",
                Text::new(
                    "must not exceed 4096 characters",
                    "tidak boleh lebih dari 4096 karakter",
                ),
            ));
        }
        if body.contains('\0') {
            return Err(ApiError::field(
                "text",
                Text::new(
                    "must not contain the character U+0000",
                    "tidak boleh berisi karakter U+0000",
                ),
            ));
        }
        Ok((body, preview_url))
    }
}

/// What `create_reply` answers with.
#[derive(Deserialize)]
struct CreatedReply {
    message: Message,
    repeated: bool,
    phone_number_id: Option<String>,
    wa_id: Option<String>,
    user_id: Option<String>,
}

/// An outcome as `record_replies` takes it.
#[derive(Serialize)]
struct ReplyOutcome<'a> {
    message_id: Uuid,
    #[serde(flatten)]
    report: &'a Report,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/api/conversations/{id}/messages", post(send_message))
}

/// Sends a message within the 24-hour window. The message is stored before Meta is asked; the answer tells its
/// state: usually `sent`, `failed` with Meta's reason, `unknown` when Meta's answer was lost, `sending` when
/// Meta takes long. A repeated `Idempotency-Key` answers 200 with the message made first.
#[utoipa::path(
    post, path = "/api/conversations/{id}/messages", tag = "conversations", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Up to 200 characters"),
    ),
    request_body(content = Reply, example = json!({"type": "text", "text": {"body": "Halo!"}})),
    responses(
        (status = 201, body = Message), (status = 200, description = "Repeated", body = Message),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 409, description = "`window_closed` or `number_unavailable`", body = ErrorBody),
        (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn send_message(
    State(app): State<App>,
    permitted: Permitted<MessagesSend>,
    PathId(id): PathId,
    background: Background,
    headers: HeaderMap,
    JsonBody(reply): JsonBody<Reply>,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    let ReplyKind::Text = reply.kind;
    let (body, preview_url) = reply.text.checked()?;
    let arguments = json!({
        "conversation_id": id,
        "type": "text",
        "content": body,
        "payload": { "text": { "body": body, "preview_url": preview_url } },
        "idempotency_key": idempotency_key(&headers)?,
    });
    let reply: CreatedReply = permitted
        .caller
        .database()
        .rpc("create_reply", &arguments)
        .await?;
    if reply.repeated {
        return Ok((StatusCode::OK, Json(reply.message)));
    }

    // Not part of the request's own future: a client that hangs up must not cut a send from its record.
    let (outcome, settled) = oneshot::channel();
    let recipient = match (reply.wa_id, reply.user_id) {
        (Some(number), _) => Recipient::Phone(number),
        (None, id) => Recipient::UserId(id.unwrap_or_default()),
    };
    let delivery = Delivery {
        message_id: reply.message.id,
        session_id: reply.message.session_id,
        phone_number_id: reply.phone_number_id.unwrap_or_default(),
        message: OutboundMessage {
            callback_data: Some(reply.message.id.to_string()),
            ..OutboundMessage::new(recipient, Content::Text { body, preview_url })
        },
    };
    background.run(async move {
        let recorded = delivery.run(&app).await;
        drop(outcome.send(recorded));
    });
    match timeout(PATIENCE, settled).await {
        Ok(Ok(Some(message))) => Ok(created(message)),
        _ => Ok(created(reply.message)),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|key| (1..=200).contains(&key.len()));
    key.map(Some).ok_or_else(|| {
        ApiError::field(
            "Idempotency-Key",
            Text::new(
                "must have 1 to 200 plain characters",
                "harus terdiri dari 1 sampai 200 karakter biasa",
            ),
        )
    })
}

struct Delivery {
    message_id: Uuid,
    session_id: Uuid,
    phone_number_id: String,
    message: OutboundMessage,
}

impl Delivery {
    /// Sends, and records what became of it. None when it could not be recorded: a status of Meta, or the
    /// sweep of the cron run, will settle it.
    async fn run(&self, app: &App) -> Option<Message> {
        let mut waits = RETRY_AFTER.into_iter();
        let report = loop {
            let number = app
                .graph()
                .number(&self.phone_number_id, &app.config().meta_token);
            let answer = number.send(&self.message).await;
            if let Err(SendError::TokenInvalid { error } | SendError::AccountBlocked { error }) = &answer {
                break_session(app, self.session_id, &error.message).await;
            }
            let report = Report::of(&answer);
            match (report.outcome, waits.next()) {
                (Outcome::Retry, Some(wait)) => sleep(wait).await,
                (Outcome::Retry | Outcome::Held, _) => break report.given_up(),
                _ => break report,
            }
        };
        record(app, self.message_id, &report).await
    }
}

async fn record(app: &App, message_id: Uuid, report: &Report) -> Option<Message> {
    let arguments = json!({ "results": [ReplyOutcome { message_id, report }] });
    for wait in RETRY_AFTER {
        match app
            .supabase()
            .as_service()
            .rpc::<Vec<Message>>("record_replies", &arguments)
            .await
        {
            Ok(messages) => return messages.into_iter().next(),
            Err(error) => log::error!("reply {message_id}: not recorded: {}", error.source_text()),
        }
        sleep(wait).await;
    }
    None
}

/// Marks a number as broken: Meta refuses its token, or has blocked its account.
pub(crate) async fn break_session(app: &App, session_id: Uuid, reason: &str) {
    let arguments = json!({ "session_id": session_id, "reason": reason });
    if let Err(error) = app
        .supabase()
        .as_service()
        .rpc::<()>("break_session", &arguments)
        .await
    {
        log::error!(
            "number {session_id}: not marked as broken: {}",
            error.source_text()
        );
    }
}
