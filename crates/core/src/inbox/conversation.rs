//! `GET /api/conversations/{id}`.

use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::caller::Permitted;
use crate::error::{ApiError, ErrorBody};
use crate::path_id::PathId;
use crate::permissions::ConversationsView;

/// What a customer and a number of ours say to each other.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Conversation {
    id: Uuid,
    /// `open`, `pending`, `snoozed` or `resolved`
    status: String,
    /// The connected number it runs on.
    session_id: Uuid,
    /// The person who answers it.
    assigned_to: Option<Uuid>,
    unread_count: u32,
    last_message_at: Option<DateTime<Utc>>,
    /// The words of the last message, or a sign for its kind.
    last_message_preview: Option<String>,
    /// Its type; `revoke` when it was taken back.
    #[serde(default)]
    last_message_type: Option<String>,
    /// `inbound` or `outbound`
    last_message_direction: Option<String>,
    /// Until then free-form messages may be sent. Null when the customer never wrote.
    window_expires_at: Option<DateTime<Utc>>,
    /// Whether the customer wrote within the last 24 hours.
    window_open: bool,
    /// The advertisement or post that last brought the customer, as Meta describes it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    referral: Option<serde_json::Value>,
    #[serde(default)]
    referral_at: Option<DateTime<Utc>>,
    contact: ConversationContact,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The customer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct ConversationContact {
    id: Uuid,
    /// The name a person gave, or else WhatsApp's.
    name: Option<String>,
    profile_name: Option<String>,
    /// Phone number in digits. Null while Meta hides it.
    wa_id: Option<String>,
    /// Meta's business-scoped user id.
    user_id: Option<String>,
    username: Option<String>,
}

/// `/api/conversations/{id}`.
pub fn router() -> Router<App> {
    Router::new().route("/api/conversations/{id}", get(get_conversation))
}

/// One conversation.
#[utoipa::path(
    get, path = "/api/conversations/{id}", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = Conversation),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    )
)]
pub(crate) async fn get_conversation(
    permitted: Permitted<ConversationsView>,
    PathId(id): PathId,
) -> Result<Json<Conversation>, ApiError> {
    let arguments = json!({ "conversation_id": id });
    let conversation: Option<Conversation> = permitted
        .caller
        .database()
        .rpc("get_conversation", &arguments)
        .await?;
    conversation.map(Json).ok_or_else(ApiError::not_found)
}
