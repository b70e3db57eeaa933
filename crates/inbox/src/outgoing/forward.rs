//! `POST /api/messages/{id}/forward`: forwards a message to other conversations.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::delivery::{CreatedMessage, start};
use crate::message::Message;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::MessagesForward;
use crm_core::routes;
use crm_core::text::Text;
use media::upload_for_numbers;

const MAX_TARGETS: usize = 20;

/// The target conversations.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ForwardTargets)]
pub(crate) struct Targets {
    #[schema(min_items = 1, max_items = 20)]
    conversation_ids: Vec<Uuid>,
}

/// The results, one for each conversation.
#[derive(Serialize, ToSchema)]
pub(crate) struct Forwarded {
    data: Vec<ForwardOutcome>,
}

/// The result for one conversation.
#[derive(Serialize, ToSchema)]
pub(crate) struct ForwardOutcome {
    conversation_id: Uuid,
    /// `created`, or the code of a refusal such as `window_closed`, `not_found` or `not_forwardable`.
    #[schema(example = "created")]
    outcome: String,
    /// The new message, which is being sent. Realtime reports its outcome.
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Answer {
    conversation_id: Uuid,
    outcome: String,
    made: Option<CreatedMessage>,
}

/// `/api/messages/{id}/forward`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(forward_message))
}

/// Forward a message.
///
/// The content goes to up to 20 other conversations: text, locations, contacts and files, also those that customers
/// sent. Each conversation has an outcome of its own, because each has its own 24-hour window.
#[utoipa::path(
    post, path = "/api/messages/{id}/forward", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the message")),
    request_body = Targets,
    responses(
        (status = 200, body = Forwarded),
        (status = 409, description = "not_forwardable"),
        (status = 503, description = "meta_unavailable"),
    ),
)]
pub(crate) async fn forward_message(
    State(app): State<App>,
    permitted: Permitted<MessagesForward>,
    PathId(id): PathId,
    background: Background,
    JsonBody(Targets { conversation_ids }): JsonBody<Targets>,
) -> Result<Json<Forwarded>, ApiError> {
    if !(1..=MAX_TARGETS).contains(&conversation_ids.len()) {
        return Err(ApiError::field(
            "conversation_ids",
            Text::new("must hold 1 to 20 ids", "harus berisi 1 sampai 20 id"),
        ));
    }
    upload_for_numbers(&app, &permitted.caller, id, &conversation_ids).await?;
    let arguments = json!({ "message_id": id, "conversation_ids": conversation_ids });
    let database = permitted.caller.database();
    let answers: Vec<Answer> = database.rpc("forward_message", &arguments).await?;
    let data = answers.into_iter().map(|answer| ForwardOutcome {
        conversation_id: answer.conversation_id,
        outcome: answer.outcome,
        message: answer.made.map(|made| start(&app, &background, made)),
    });
    Ok(Json(Forwarded { data: data.collect() }))
}
