//! `POST /api/conversations/{id}/messages`: a message into a conversation.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::delivery::{CreatedMessage, deliver};
use super::idempotency::idempotency_key;
use super::input::MessageInput;
use super::template::TemplatePlace;
use crate::message::Message;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{AnyOf, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::{JsonBody, created, from_value};
use crm_core::path_id::PathId;
use crm_core::permissions::{MessagesSend, MessagesSendMedia, MessagesSendTemplate};

/// Which right it takes depends on the kind of message; the database asks for that one.
pub(super) type MaySend = AnyOf<(MessagesSend, MessagesSendMedia, MessagesSendTemplate)>;

/// A message, and when it is to be sent.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Reply {
    /// Up to 30 days ahead; without it the message is sent now. It takes `messages.schedule`.
    send_at: Option<DateTime<Utc>>,
    #[serde(flatten)]
    _message: MessageInput,
}

/// What `schedule_message` answers with.
#[derive(Deserialize)]
struct Scheduled {
    #[serde(default)]
    repeated: bool,
    #[serde(flatten)]
    message: Message,
}

pub(crate) fn router() -> Router<App> {
    Router::new().route("/api/conversations/{id}/messages", post(send_message))
}

/// Sends a message: anything within 24 hours after the customer last wrote, an approved template at any time. The
/// message is stored before Meta is asked; the answer tells its state: usually `sent`, `failed` with Meta's reason,
/// `unknown` when Meta's answer was lost, `sending` when Meta takes long. A repeated `Idempotency-Key` answers 200
/// with the message made first, for 24 hours. With `send_at` the answer is `pending`, and `DELETE /api/messages/{id}`
/// cancels it; what cannot be sent then, because the window is closed, fails with the reason.
#[utoipa::path(
    post, path = "/api/conversations/{id}/messages", tag = "conversations", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Up to 200 characters"),
    ),
    request_body(content = Reply, examples(
        ("text" = (value = json!({"type": "text", "text": {"body": "Halo!"}}))),
        ("image" = (value = json!({"type": "image", "image": {"id": "<id of an upload>", "caption": "Menu"}}))),
        ("reaction" = (value = json!({"type": "reaction", "reaction": {"message_id": "<id>", "emoji": "👍"}}))),
        ("buttons" = (value = json!({"type": "interactive", "interactive": {
            "type": "button", "body": {"text": "Jadi pesan?"},
            "action": {"buttons": [{"reply": {"id": "yes", "title": "Ya"}}, {"reply": {"id": "no", "title": "Tidak"}}]},
        }}))),
        ("template" = (value = json!({"type": "template", "template": {
            "name": "order_ready", "language": "id", "variables": ["Rina"],
        }}))),
    )),
    responses(
        (status = 201, body = Message), (status = 200, description = "Repeated", body = Message),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 409, description = "`window_closed`, `number_unavailable`, `contact_blocked`, `contact_opted_out` or \
            `contact_unreachable`", body = ErrorBody),
        (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 503, description = "`meta_unavailable`: Meta does not answer at the moment", body = ErrorBody),
    )
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
    // By itself first: within a flattened struct a wrong field has no name.
    let message: MessageInput = from_value(body.clone())?;
    let Reply { send_at, .. } = from_value(body)?;
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
    if let Some(time) = send_at {
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
