//! `POST /api/whatsapp/messages`: sends a message to a contact or a phone number.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::delivery::{CreatedMessage, deliver};
use super::input::MessageInput;
use super::reply::MaySend;
use super::template::TemplatePlace;
use crate::message::Message;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::{JsonBody, read_apart};
use crm_core::repeatable::idempotency_key;
use crm_core::routes;
use crm_core::text::Text;
use tables::phone_number;

/// A message and its recipient: `to` or `contact_id`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes the body")]
pub(crate) struct AddressedMessage {
    #[schema(inline)]
    #[serde(flatten)]
    address: Address,
    #[serde(flatten)]
    message: MessageInput,
}

/// The recipient of a message.
#[derive(Deserialize, ToSchema)]
#[schema(as = MessageAddress)]
struct Address {
    /// A phone number with its country code; one that begins with 0 is Indonesian.
    #[schema(example = "+6281234567890")]
    to: Option<String>,
    /// The id of a contact.
    contact_id: Option<Uuid>,
    /// The number that sends it. If left out: the number last used with the contact, or the first connected one.
    session_id: Option<Uuid>,
    /// The name of the contact, if it is new.
    #[schema(example = "Rina")]
    name: Option<String>,
}

impl Address {
    const FIELDS: [&str; 4] = ["to", "contact_id", "session_id", "name"];
}

/// `/api/whatsapp/messages`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(send_to))
}

/// Send a message to a contact or a phone number.
///
/// The contact and the conversation are created if they do not exist. Unless the customer wrote within 24 hours, only
/// an approved template can be sent. Callers without `contacts.view` write to no contact that a colleague looks after:
/// one that has a colleague as its owner, or only conversations that the caller does not see. Everything else is as in
/// `POST /api/conversations/{id}/messages`.
#[utoipa::path(
    post, path = "/api/whatsapp/messages", tag = "whatsapp",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "A key of up to 200 characters that makes the request safe to repeat"),
    ),
    request_body(content = AddressedMessage, example = json!({
        "to": "+6281234567890", "type": "template",
        "template": {"name": "order_ready", "language": "id", "variables": ["Rina"]},
    })),
    responses(
        (status = 201, body = Message),
        (status = 200, description = "The message of the first request with this key", body = Message),
        (status = 404, description = "not_found"),
        (status = 409, description = "window_closed, number_unavailable, contact_blocked, contact_opted_out, contact_unreachable"),
        (status = 422, description = "template_not_approved"),
        (status = 503, description = "meta_unavailable"),
    ),
)]
pub(crate) async fn send_to(
    State(app): State<App>,
    permitted: Permitted<MaySend>,
    background: Background,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    let caller = &permitted.caller;
    let (addressed, message): (Address, MessageInput) = read_apart(body, &Address::FIELDS)?;
    let key = idempotency_key(&headers)?;
    let wa_id = match (&addressed.to, addressed.contact_id) {
        (Some(number), None) => {
            let read = phone_number::read_addressed(number);
            Some(read.map_err(|problem| ApiError::field("to", problem.text()))?)
        }
        (None, Some(_)) => None,
        _ => {
            return Err(ApiError::field(
                "to",
                Text::new(
                    "either `to` or `contact_id` is required, and not both",
                    "`to` atau `contact_id` wajib diisi, dan tidak keduanya",
                ),
            ));
        }
    };
    let name = match &addressed.name {
        Some(name) => Some(optional_text("name", name, 200)?).filter(|name| !name.is_empty()),
        None => None,
    };
    let place = TemplatePlace {
        session: addressed.session_id,
        ..TemplatePlace::default()
    };
    let message = message.checked(caller, place).await?;
    let arguments = json!({
        "session_id": addressed.session_id,
        "contact_id": addressed.contact_id,
        "wa_id": wa_id,
        "name": name,
        "type": message.kind,
        "content": message.preview,
        "payload": message.payload,
        "reply_to": message.reply_to,
        "idempotency_key": key,
    });
    let made: CreatedMessage = caller.database().rpc("create_message_to", &arguments).await?;
    deliver(app, &background, made).await
}
