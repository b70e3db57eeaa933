//! `POST` and `DELETE /api/conversations/{id}/assign`: who answers.

use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::conversation::Conversation;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::{JsonBody, given};
use crm_core::path_id::PathId;
use crm_core::permissions::ConversationsView;
use crm_core::text::Text;

/// Who gets a conversation: `user_id` or `strategy`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assignment {
    /// A person who may see conversations; null for nobody.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Uuid>)]
    user_id: Option<Option<Uuid>>,
    strategy: Option<Strategy>,
}

/// How somebody is found among those who are online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Strategy {
    /// Whoever's turn was longest ago.
    RoundRobin,
    /// Whoever has the fewest open conversations.
    LeastBusy,
}

/// `/api/conversations/{id}/assign`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/conversations/{id}/assign",
        post(assign_conversation).delete(unassign_conversation),
    )
}

/// Gives a conversation to somebody, by name or by strategy. It takes `conversations.assign`; without, one may take what
/// is unassigned, and hand back what is one's own.
#[utoipa::path(
    post, path = "/api/conversations/{id}/assign", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    request_body(content = Assignment, example = json!({"strategy": "least_busy"})),
    responses(
        (status = 200, body = Conversation),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 409, description = "`no_agent_available`: nobody of the number's pool is online and has room", body = ErrorBody),
        (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
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

/// Takes a conversation from whoever has it.
#[utoipa::path(
    delete, path = "/api/conversations/{id}/assign", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = Conversation),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    )
)]
pub(crate) async fn unassign_conversation(
    permitted: Permitted<ConversationsView>,
    PathId(id): PathId,
) -> Result<Json<Conversation>, ApiError> {
    let arguments = json!({ "conversation_id": id, "user_id": null });
    let database = permitted.caller.database();
    Ok(Json(database.rpc("assign_conversation", &arguments).await?))
}
