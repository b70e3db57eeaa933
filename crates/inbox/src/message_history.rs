//! `GET /api/messages/{id}`: a message with its history.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::failure::Failure;
use super::message::Message;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::MessagesView;
use crm_core::routes;

/// A message and its history.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct MessageHistory {
    #[serde(flatten)]
    message: Message,
    /// The content before the message was edited or revoked.
    original_content: Option<String>,
    /// Every status that Meta reported, in order of time.
    events: Vec<StatusEvent>,
    /// Every reaction, edit and revocation, in order of time.
    changes: Vec<Change>,
}

/// A status as Meta reported it.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct StatusEvent {
    /// `sent`, `delivered`, `read`, `played`, `failed`, or a status that Meta adds later. `payment_` with a state, such as
    /// `payment_captured`, tells of the payment that the message asked for, and not of its delivery.
    #[schema(example = "delivered")]
    status: String,
    occurred_at: DateTime<Utc>,
    /// When the report arrived.
    received_at: DateTime<Utc>,
    #[serde(flatten)]
    failure: Failure,
    #[schema(value_type = Option<Object>)]
    pricing: Option<serde_json::Value>,
    /// The conversation that Meta counted it in.
    #[schema(value_type = Option<Object>)]
    conversation: Option<serde_json::Value>,
    /// The payment, in Meta's shape.
    #[schema(value_type = Option<Object>)]
    payment: Option<serde_json::Value>,
}

crm_core::words! {
    /// The kind of a change.
    pub(crate) MessageChangeKind = "reaction", "edit", "revoke";
}

/// A reaction, an edit or a revocation.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = MessageChange)]
pub(crate) struct Change {
    /// The message that brought the change.
    message_id: Uuid,
    /// `reaction`, `edit` or `revoke`
    #[serde(rename = "type")]
    #[schema(value_type = MessageChangeKind)]
    kind: String,
    /// `inbound` or `outbound`
    #[schema(value_type = super::message::Direction)]
    direction: String,
    /// The new content, of an edit.
    content: Option<String>,
    /// The emoji of a reaction. Empty or null if the reaction was removed.
    #[schema(example = "👍")]
    emoji: Option<String>,
    occurred_at: DateTime<Utc>,
    #[schema(value_type = super::message::MessageState)]
    status: String,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(get_message))
}

/// Get one message.
///
/// The answer has every status that Meta reported, and every reaction, edit and revocation.
#[utoipa::path(
    get, path = "/api/messages/{id}", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the message")),
    responses((status = 200, body = MessageHistory)),
)]
pub(crate) async fn get_message(
    permitted: Permitted<MessagesView>,
    PathId(id): PathId,
) -> Result<Json<MessageHistory>, ApiError> {
    let history: Option<MessageHistory> = permitted
        .caller
        .database()
        .rpc("get_message", &json!({ "message_id": id }))
        .await?;
    history.map(Json).ok_or_else(ApiError::not_found)
}
