//! A message as clients see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::failure::Failure;

crm_core::words! {
    /// The author of a message: the customer (`inbound`) or the organisation (`outbound`).
    pub(crate) Direction = "inbound", "outbound";
    /// The state of a message. `received` is that of inbound messages; `unknown` means that Meta was asked to send it
    /// and its answer was lost.
    pub(crate) MessageState = "received", "pending", "queued", "sending", "sent", "delivered", "read", "played", "failed", "unknown";
}

/// One message of a conversation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    conversation_id: Uuid,
    pub(super) session_id: Uuid,
    /// `inbound` or `outbound`
    #[schema(value_type = Direction)]
    direction: String,
    /// Meta's name of the type, for example `text` or `image`.
    #[serde(rename = "type")]
    #[schema(example = "text")]
    pub(super) kind: String,
    /// `received` for inbound messages. For others `pending`, `queued`, `sending`, `sent`, `delivered`, `read`,
    /// `played`, `failed`, or `unknown`, which means that Meta was asked to send it and its answer was lost.
    #[schema(value_type = MessageState)]
    pub(crate) status: String,
    /// The text, or a preview of other content. Null if the message was revoked.
    #[schema(example = "Apakah masih ada?")]
    content: Option<String>,
    /// The message as Meta sent it, or as it is sent to Meta.
    #[schema(value_type = Object, example = json!({"body": "Apakah masih ada?"}))]
    pub(super) payload: serde_json::Value,
    #[schema(value_type = Object, example = json!({}))]
    metadata: serde_json::Value,
    #[schema(example = "wamid.HBgNNjI4MTIzNDU2Nzg5MBUCABEYEjZ")]
    whatsapp_message_id: Option<String>,
    /// The WhatsApp id of the message that this one answers.
    pub(super) context_message_id: Option<String>,
    sent_by: Option<Uuid>,
    /// The WhatsApp id of the message that this one reacts to, edits or revokes.
    #[serde(default)]
    target_message_id: Option<String>,
    /// The current reactions.
    #[serde(default)]
    #[schema(required)]
    reactions: Vec<Reaction>,
    /// When the author last edited it.
    #[serde(default)]
    edited_at: Option<DateTime<Utc>>,
    /// When the author revoked it.
    #[serde(default)]
    revoked_at: Option<DateTime<Utc>>,
    #[serde(flatten)]
    failure: Failure,
    #[schema(value_type = Option<Object>)]
    pricing: Option<serde_json::Value>,
    /// When it was deleted in the product. Its content is erased here; the customer keeps it.
    #[serde(default)]
    deleted_at: Option<DateTime<Utc>>,
    /// The time for which it is or was scheduled.
    #[serde(default)]
    send_at: Option<DateTime<Utc>>,
    /// The time that places the message in its thread.
    occurred_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    read_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// A reaction to a message.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = MessageReaction)]
pub(crate) struct Reaction {
    #[schema(example = "👍")]
    emoji: String,
    /// `inbound`: the customer reacted. `outbound`: the organisation reacted.
    #[schema(value_type = Direction)]
    direction: String,
    occurred_at: DateTime<Utc>,
    /// The message that brought the reaction.
    message_id: Uuid,
}
