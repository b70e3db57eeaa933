//! `POST` and `DELETE /api/conversations/{id}/assign`: assigns a conversation.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::conversation::Conversation;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, nullable};
use crm_core::path_id::PathId;
use crm_core::permissions::ConversationsView;
use crm_core::routes;
use crm_core::text::Text;

/// The person who gets a conversation, by `user_id` or by `strategy`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConversationAssignment)]
pub(crate) struct Assignment {
    /// A person who may see conversations. Null unassigns the conversation.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Uuid>)]
    user_id: Option<Option<Uuid>>,
    strategy: Option<Strategy>,
}

/// The rule that selects one of the people who are online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AssignmentStrategy)]
pub(crate) enum Strategy {
    /// The person who has waited longest for a conversation.
    RoundRobin,
    /// The person with the fewest open conversations.
    LeastBusy,
}

/// `/api/conversations/{id}/assign`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(assign_conversation, unassign_conversation))
}

/// Assign a conversation.
///
/// The conversation goes to the person in `user_id`, or to the person that `strategy` finds. `conversations.assign` is
/// needed; without it callers can take an unassigned conversation and hand back their own.
#[utoipa::path(
    post, path = "/api/conversations/{id}/assign", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    request_body(content = Assignment, example = json!({"strategy": "least_busy"})),
    responses((status = 200, body = Conversation), (status = 409, description = "no_agent_available")),
)]
pub(crate) async fn assign_conversation(
    permitted: Permitted<ConversationsView>,
    PathId(id): PathId,
    JsonBody(assignment): JsonBody<Assignment>,
) -> Result<Json<Conversation>, ApiError> {
    let person = match (assignment.user_id, assignment.strategy) {
        (Some(person), None) => person,
        (None, Some(_)) => None,
        _ => {
            return Err(ApiError::field(
                "user_id",
                Text::new(
                    "either `user_id` or `strategy` is required, and not both",
                    "`user_id` atau `strategy` wajib diisi, dan tidak keduanya",
                ),
            ));
        }
    };
    let arguments = json!({ "conversation_id": id, "user_id": person, "strategy": assignment.strategy });
    let database = permitted.caller.database();
    Ok(Json(database.rpc("assign_conversation", &arguments).await?))
}

/// Unassign a conversation.
///
/// The conversation becomes unassigned. `conversations.assign` is needed; without it callers can hand back their own
/// conversation.
#[utoipa::path(
    delete, path = "/api/conversations/{id}/assign", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    responses(
        (status = 200, body = Conversation),
        (status = 409, description = "no_agent_available"),
        (status = 422, description = "invalid_field"),
    ),
)]
pub(crate) async fn unassign_conversation(
    permitted: Permitted<ConversationsView>,
    PathId(id): PathId,
) -> Result<Json<Conversation>, ApiError> {
    let arguments = json!({ "conversation_id": id, "user_id": null });
    let database = permitted.caller.database();
    Ok(Json(database.rpc("assign_conversation", &arguments).await?))
}
