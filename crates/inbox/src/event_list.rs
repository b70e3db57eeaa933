//! `GET /api/conversations/{id}/events`: what was done with a conversation.

use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::QueryParameters;
use crm_core::paging::{default_limit, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::ConversationsView;

/// Which part of the history.
#[derive(Deserialize)]
pub(crate) struct EventsQuery {
    before: Option<Uuid>,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// One page of the history.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationEvents {
    /// The newest first.
    data: Vec<ConversationEvent>,
    /// Pass it as `before` for the next, older page. Null on the last.
    next_cursor: Option<Uuid>,
}

/// What was done.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ConversationEvent {
    id: Uuid,
    /// `status_changed`, `assigned`, `unassigned`, `priority_changed`, `label_added`, `label_removed` or `merged`
    kind: String,
    /// Who did it. Null when it happened by itself, or an integration did it.
    actor_id: Option<Uuid>,
    /// `from` and `to`, or the label.
    #[schema(value_type = Object)]
    details: serde_json::Value,
    occurred_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct EventRows {
    rows: Vec<ConversationEvent>,
    next_cursor: Option<Uuid>,
}

/// `/api/conversations/{id}/events`.
pub fn router() -> Router<App> {
    Router::new().route("/api/conversations/{id}/events", get(list_conversation_events))
}

/// The history of a conversation: its states, who had it, its priority and labels.
#[utoipa::path(
    get, path = "/api/conversations/{id}/events", tag = "conversations", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path),
        ("before" = Option<Uuid>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, description = "By default 20", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = ConversationEvents),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn list_conversation_events(
    permitted: Permitted<ConversationsView>,
    PathId(id): PathId,
    QueryParameters(query): QueryParameters<EventsQuery>,
) -> Result<Json<ConversationEvents>, ApiError> {
    let arguments = json!({ "conversation_id": id, "before": query.before, "page_size": query.limit });
    let database = permitted.caller.database();
    let events: Option<EventRows> = database.rpc("list_conversation_events", &arguments).await?;
    let EventRows { rows, next_cursor } = events.ok_or_else(ApiError::not_found)?;
    Ok(Json(ConversationEvents {
        data: rows,
        next_cursor,
    }))
}
