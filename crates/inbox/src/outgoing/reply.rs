//! `POST /api/conversations/{id}/messages`: sends a message into a conversation.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::delivery::{CreatedMessage, deliver};
use super::input::MessageInput;
use super::template::TemplatePlace;
use crate::message::Message;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{AnyOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, created, read_apart};
use crm_core::path_id::PathId;
use crm_core::permissions::{MessagesSend, MessagesSendMedia, MessagesSendTemplate};
use crm_core::repeatable::idempotency_key;
use crm_core::routes;
use crm_core::text::Text;

/// The permissions to send. Which one is needed depends on the kind of message; the database checks that.
pub(super) type MaySend = AnyOf<(MessagesSend, MessagesSendMedia, MessagesSendTemplate)>;

/// A message, and the time to send it.
#[derive(ToSchema)]
#[schema(as = NewMessage)]
#[expect(dead_code, reason = "it only describes the body")]
pub(crate) struct Reply {
    #[schema(inline)]
    #[serde(flatten)]
    schedule: Schedule,
    #[serde(flatten)]
    message: MessageInput,
}

/// The time to send a message.
#[derive(Deserialize, ToSchema)]
#[schema(as = MessageSchedule)]
struct Schedule {
    /// The time to send, up to 30 days ahead; it needs `messages.schedule`. If left out, the message is sent now.
    scheduled_at: Option<DateTime<Utc>>,
    /// Another name of `scheduled_at`. Give one of them.
    send_at: Option<DateTime<Utc>>,
}

impl Schedule {
    const FIELDS: [&str; 2] = ["scheduled_at", "send_at"];

    fn time(&self) -> Result<Option<DateTime<Utc>>, ApiError> {
        if self.scheduled_at.is_some() && self.send_at.is_some() {
            let problem = Text::new(
                "is another name of `scheduled_at`: give one of them",
                "adalah nama lain dari `scheduled_at`: berikan salah satu saja",
            );
            return Err(ApiError::field("send_at", problem));
        }
        Ok(self.scheduled_at.or(self.send_at))
    }
}

/// The answer of `schedule_message`.
#[derive(Deserialize)]
struct Scheduled {
    #[serde(default)]
    repeated: bool,
    #[serde(flatten)]
    message: Message,
}

pub(crate) fn router() -> Routes {
    Routes::new().routes(routes!(send_message))
}

/// Send a message in a conversation.
///
/// Within 24 hours after the customer last wrote anything can be sent, at any other time only an approved template. The
/// message is stored before Meta is asked. Its `status` in the answer is usually `sent`; it is `failed` with Meta's
/// reason, `unknown` if Meta's answer was lost, and `sending` if Meta takes long.
///
/// A request that repeats an `Idempotency-Key` within 24 hours answers 200 with the first message. With `scheduled_at`
/// the message is sent later: the answer has status `pending`, `DELETE /api/messages/{id}` cancels it, and a message that
/// cannot be sent at that time fails with the reason. Media, templates and scheduling need `messages.send_media`,
/// `messages.send_template` and `messages.schedule`.
#[utoipa::path(
    post, path = "/api/conversations/{id}/messages", tag = "conversations",
    params(
        ("id" = Uuid, Path, description = "The id of the conversation"),
        ("Idempotency-Key" = Option<String>, Header, description = "A key of up to 200 characters that makes the request safe to repeat"),
    ),
    request_body(content = Reply, examples(
        ("text" = (value = json!({"type": "text", "text": {"body": "Halo!"}}))),
        ("image" = (value = json!({"type": "image", "image": {"id": "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10", "caption": "Menu"}}))),
        ("reaction" = (value = json!({"type": "reaction", "reaction": {"message_id": "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10", "emoji": "👍"}}))),
        ("buttons" = (value = json!({"type": "interactive", "interactive": {
            "type": "button", "body": {"text": "Jadi pesan?"},
            "action": {"buttons": [{"reply": {"id": "yes", "title": "Ya"}}, {"reply": {"id": "no", "title": "Tidak"}}]},
        }}))),
        ("template" = (value = json!({"type": "template", "template": {
            "name": "order_ready", "language": "id", "variables": ["Rina"],
        }}))),
    )),
    responses(
        (status = 201, body = Message),
        (status = 200, description = "The message of the first request with this key", body = Message),
        (status = 409, description = "window_closed, number_unavailable, contact_blocked, contact_opted_out, contact_unreachable"),
        (status = 422, description = "template_not_approved"),
        (status = 503, description = "meta_unavailable"),
    ),
)]
pub(crate) async fn send_message(
    State(app): State<App>,
    permitted: Permitted<MaySend>,
    PathId(id): PathId,
    background: Background,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    let caller = &permitted.caller;
    let key = idempotency_key(&headers)?;
    let (schedule, message): (Schedule, MessageInput) = read_apart(body, &Schedule::FIELDS)?;
    let scheduled_at = schedule.time()?;
    let place = TemplatePlace {
        conversation: Some(id),
        ..TemplatePlace::default()
    };
    let message = message.checked(caller, place).await?;
    let mut arguments = json!({
        "conversation_id": id,
        "type": message.kind,
        "content": message.preview,
        "payload": message.payload,
        "reply_to": message.reply_to,
        "idempotency_key": key,
    });
    if let Some(time) = scheduled_at {
        arguments["send_at"] = json!(time);
        let Scheduled { repeated, message } = caller.database().rpc("schedule_message", &arguments).await?;
        return Ok(if repeated {
            (StatusCode::OK, Json(message))
        } else {
            created(message)
        });
    }
    let made: CreatedMessage = caller.database().rpc("create_message", &arguments).await?;
    deliver(app, &background, made).await
}
