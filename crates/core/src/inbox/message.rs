//! A message as clients see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

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
    kind: String,
    /// `received` for inbound messages; else `pending`, `queued`, `sending`, `sent`, `delivered`, `read`,
    /// `played`, `failed`, or `unknown`: handed to Meta, and whether it went out is not known.
    pub(crate) status: String,
    /// The text, or a preview of anything else.
    content: Option<String>,
    /// The element as Meta sent it, or as we send it.
    #[schema(value_type = Object)]
    payload: serde_json::Value,
    #[schema(value_type = Object)]
    metadata: serde_json::Value,
    whatsapp_message_id: Option<String>,
    /// The WhatsApp id of the message this one answers.
    context_message_id: Option<String>,
    sent_by: Option<Uuid>,
    /// Meta's code, when it failed.
    error_code: Option<i32>,
    error_title: Option<String>,
    error_details: Option<String>,
    #[schema(value_type = Option<Object>)]
    pricing: Option<serde_json::Value>,
    /// Where the message stands in its thread.
    occurred_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    read_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}
