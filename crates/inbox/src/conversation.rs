//! `GET`, `PATCH` and `DELETE /api/conversations/{id}`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::label::LabelOnConversation;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{ConversationsDelete, ConversationsUpdate, ConversationsView};
use crm_core::routes;
use media::remove_files;

/// The conversation of a customer with one connected number.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Conversation {
    id: Uuid,
    /// `open`, `pending`, `snoozed` or `resolved`
    #[schema(value_type = ConversationStatus)]
    status: String,
    /// The connected number of the conversation.
    session_id: Uuid,
    /// The person to whom it is assigned.
    assigned_to: Option<Uuid>,
    #[serde(default)]
    #[schema(required)]
    priority: Priority,
    /// The end of the snooze. The conversation opens then, or when the customer writes.
    #[serde(default)]
    snoozed_until: Option<DateTime<Utc>>,
    /// Since when the customer has waited for an answer.
    #[serde(default)]
    waiting_since: Option<DateTime<Utc>>,
    /// The number of customer messages that no person has read or answered.
    unread_count: u32,
    /// Messages of the customer that the caller has not read, up to 100.
    #[serde(default)]
    #[schema(required)]
    unread_for_me: u32,
    last_message_at: Option<DateTime<Utc>>,
    /// The text of the last message, or a symbol for its kind. Null for callers who may not read messages.
    #[schema(example = "Apakah masih ada?")]
    last_message_preview: Option<String>,
    /// The type of the last message; `revoke` if it was revoked.
    #[serde(default)]
    #[schema(example = "text")]
    last_message_type: Option<String>,
    /// `inbound` or `outbound`
    #[schema(value_type = Option<super::message::Direction>)]
    last_message_direction: Option<String>,
    /// The end of the 24-hour window for free-form messages. Null if the customer never wrote.
    window_expires_at: Option<DateTime<Utc>>,
    /// Whether the customer wrote within the last 24 hours.
    window_open: bool,
    /// The advertisement or post that last brought the customer, as Meta describes it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    referral: Option<serde_json::Value>,
    #[serde(default)]
    referral_at: Option<DateTime<Utc>>,
    #[serde(default)]
    #[schema(required)]
    pub(super) labels: Vec<LabelOnConversation>,
    contact: ConversationContact,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The customer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct ConversationContact {
    id: Uuid,
    /// The name that a person entered, or else the name on WhatsApp.
    #[schema(example = "Sari Dewi")]
    name: Option<String>,
    #[schema(example = "Sari")]
    profile_name: Option<String>,
    /// Phone number in digits. Null while Meta hides it.
    #[schema(example = "6281234567890")]
    wa_id: Option<String>,
    /// Meta's business-scoped user id.
    user_id: Option<String>,
    username: Option<String>,
    #[serde(default)]
    #[schema(required, example = json!(["grosir"]))]
    tags: Vec<String>,
    /// Whether the contact is blocked. Nothing is sent to a blocked contact.
    #[serde(default)]
    #[schema(required)]
    blocked: bool,
}

/// The state of a conversation.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ConversationStatus {
    Open,
    Pending,
    Snoozed,
    Resolved,
}

/// The urgency of a conversation.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    #[default]
    None,
    Low,
    Medium,
    High,
    Urgent,
}

/// Changes to a conversation. Fields that are left out stay as they are.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<ConversationStatus>,
    /// The end of the snooze, with status `snoozed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    snoozed_until: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
}

/// `/api/conversations/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(
        get_conversation,
        update_conversation,
        delete_conversation
    ))
}

/// Get one conversation.
///
/// The answer has the contact, the labels, the state of the 24-hour window and a preview of the last message.
#[utoipa::path(
    get, path = "/api/conversations/{id}", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    responses((status = 200, body = Conversation)),
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

/// Change a conversation.
///
/// The state and the priority can be changed. A snoozed, pending or resolved conversation opens automatically when the
/// customer writes.
#[utoipa::path(
    patch, path = "/api/conversations/{id}", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    request_body(content = ConversationChanges, example = json!({"status": "resolved"})),
    responses((status = 200, body = Conversation)),
)]
pub(crate) async fn update_conversation(
    State(app): State<App>,
    permitted: Permitted<ConversationsUpdate>,
    PathId(id): PathId,
    background: Background,
    JsonBody(changes): JsonBody<ConversationChanges>,
) -> Result<Json<Conversation>, ApiError> {
    let resolves = matches!(changes.status, Some(ConversationStatus::Resolved));
    let arguments = json!({ "conversation_id": id, "changes": changes });
    let database = permitted.caller.database();
    let conversation = database.rpc("update_conversation", &arguments).await?;
    if resolves {
        // the satisfaction question, if it is switched on
        automations::send_soon(&app, &background);
    }
    Ok(Json(conversation))
}

/// Delete a conversation.
///
/// The conversation is removed with its messages, notes and files. This cannot be undone. The customer keeps the
/// messages on their phone.
#[utoipa::path(
    delete, path = "/api/conversations/{id}", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    responses((status = 204)),
)]
pub(crate) async fn delete_conversation(
    State(app): State<App>,
    permitted: Permitted<ConversationsDelete>,
    PathId(id): PathId,
    background: Background,
) -> Result<StatusCode, ApiError> {
    let arguments = json!({ "conversation_id": id });
    let paths: Vec<String> = permitted
        .caller
        .database()
        .rpc("delete_conversation", &arguments)
        .await?;
    background.run(async move { remove_files(&app, &paths).await });
    Ok(StatusCode::NO_CONTENT)
}
