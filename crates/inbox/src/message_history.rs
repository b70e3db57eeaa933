//! `GET /api/messages/{id}`: a message with everything that happened to it.

use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::failure::Failure;
use super::message::Message;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::path_id::PathId;
use crm_core::permissions::MessagesView;

/// A message and its history.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct MessageHistory {
    #[serde(flatten)]
    message: Message,
    /// What it said before it was edited or taken back.
    original_content: Option<String>,
    /// Every status Meta reported, in the order they happened.
    events: Vec<StatusEvent>,
    /// Every reaction, edit and revocation, in the order they happened.
    changes: Vec<Change>,
}

/// A status as Meta reported it.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct StatusEvent {
    /// `sent`, `delivered`, `read`, `played`, `failed`, and whatever Meta adds.
    status: String,
    occurred_at: DateTime<Utc>,
    /// When we heard of it.
    received_at: DateTime<Utc>,
    #[serde(flatten)]
    failure: Failure,
    #[schema(value_type = Option<Object>)]
    pricing: Option<serde_json::Value>,
    /// The conversation Meta counted it in.
    #[schema(value_type = Option<Object>)]
    conversation: Option<serde_json::Value>,
}

/// A reaction, an edit or a revocation.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Change {
    /// The message it came as.
    message_id: Uuid,
    /// `reaction`, `edit` or `revoke`
    #[serde(rename = "type")]
    kind: String,
    /// `inbound` or `outbound`
    direction: String,
    /// The new wording.
    content: Option<String>,
    /// Of a reaction; empty or null when it was removed.
    emoji: Option<String>,
    occurred_at: DateTime<Utc>,
    status: String,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/api/messages/{id}", get(get_message))
}

/// A message with its statuses, reactions, edits and revocation.
#[utoipa::path(
    get, path = "/api/messages/{id}", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = MessageHistory),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
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
