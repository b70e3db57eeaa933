//! A message as clients see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::failure::Failure;

/// One message of a conversation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    conversation_id: Uuid,
    pub(super) session_id: Uuid,
    /// `inbound` or `outbound`
    direction: String,
    /// Meta's name of the type, for example `text` or `image`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// `received` for inbound messages; else `pending`, `queued`, `sending`, `sent`, `delivered`, `read`,
    /// `played`, `failed`, or `unknown`: handed to Meta, and whether it went out is not known.
    pub(crate) status: String,
    /// The text, or a preview of anything else. Null once it was taken back.
    content: Option<String>,
    /// The element as Meta sent it, or as we send it.
    #[schema(value_type = Object)]
    pub(super) payload: serde_json::Value,
    #[schema(value_type = Object)]
    metadata: serde_json::Value,
    whatsapp_message_id: Option<String>,
    /// The WhatsApp id of the message this one answers.
    pub(super) context_message_id: Option<String>,
    sent_by: Option<Uuid>,
    /// The WhatsApp id of the message this one reacts to, edits or takes back.
    #[serde(default)]
    target_message_id: Option<String>,
    /// The reactions that stand.
    #[serde(default)]
    reactions: Vec<Reaction>,
    /// When its writer last changed it.
    #[serde(default)]
    edited_at: Option<DateTime<Utc>>,
    /// When its writer took it back.
    #[serde(default)]
    revoked_at: Option<DateTime<Utc>>,
    #[serde(flatten)]
    failure: Failure,
    #[schema(value_type = Option<Object>)]
    pricing: Option<serde_json::Value>,
    /// When it was deleted here. Nothing of what it said is left; the customer keeps it.
    #[serde(default)]
    deleted_at: Option<DateTime<Utc>>,
    /// When it is sent, or was to be sent, if it was scheduled.
    #[serde(default)]
    send_at: Option<DateTime<Utc>>,
    /// Where the message stands in its thread.
    occurred_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    read_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// A reaction to a message.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Reaction {
    emoji: String,
    /// `inbound`: the customer's. `outbound`: ours.
    direction: String,
    occurred_at: DateTime<Utc>,
    /// The message it came as.
    message_id: Uuid,
}
