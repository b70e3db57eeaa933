//! `GET /api/conversations/{id}/events`: the history of a conversation.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{default_limit, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::ConversationsView;
use crm_core::routes;

/// The part of the history to list.
#[derive(Deserialize)]
pub(crate) struct EventsQuery {
    before: Option<Uuid>,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// One page of the history.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationEvents {
    /// The events, newest first.
    data: Vec<ConversationEvent>,
    /// The value of `before` for the next, older page. Null on the last page.
    next_cursor: Option<Uuid>,
}

crm_core::words! {
    /// The kind of a change.
    pub(crate) ConversationEventKind = "status_changed", "assigned", "unassigned", "priority_changed", "label_added", "label_removed", "merged";
}

/// A change of a conversation.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ConversationEvent {
    id: Uuid,
    /// `status_changed`, `assigned`, `unassigned`, `priority_changed`, `label_added`, `label_removed` or `merged`
    #[schema(value_type = ConversationEventKind)]
    kind: String,
    /// The person who made the change. Null if the product or an integration made it.
    actor_id: Option<Uuid>,
    /// `from` and `to`, or the label.
    #[schema(value_type = Object, example = json!({"from": "open", "to": "resolved"}))]
    details: serde_json::Value,
    occurred_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct EventRows {
    rows: Vec<ConversationEvent>,
    next_cursor: Option<Uuid>,
}

/// `/api/conversations/{id}/events`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_conversation_events))
}

/// List the history of a conversation.
///
/// The list has every change of state, assignment, priority and labels. The latest change comes first.
#[utoipa::path(
    get, path = "/api/conversations/{id}/events", tag = "conversations",
    params(
        ("id" = Uuid, Path, description = "The id of the conversation"),
        ("before" = Option<Uuid>, Query, description = "The `next_cursor` of the previous page"),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = ConversationEvents)),
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
