//! `POST /api/messages/status`: the states of many messages at once.

use std::collections::HashSet;

use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::failure::Failure;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::JsonBody;
use crm_core::permissions::MessagesView;
use crm_core::text::Text;

const MAX_IDS: usize = 1000;

/// Which messages.
#[derive(Deserialize, ToSchema)]
pub(crate) struct StatusQuestion {
    /// 1 to 1000 ids of messages.
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<Uuid>,
}

/// Their states.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusAnswer {
    /// In the order they were asked for, each once.
    data: Vec<MessageStatus>,
    /// Ids of no message the caller may see.
    unknown: Vec<Uuid>,
}

/// The state of a message.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct MessageStatus {
    id: Uuid,
    conversation_id: Uuid,
    whatsapp_message_id: Option<String>,
    /// As in a message.
    status: String,
    sent_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    read_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
    #[serde(flatten)]
    failure: Failure,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/api/messages/status", post(message_statuses))
}

/// The states of up to 1000 messages.
#[utoipa::path(
    post, path = "/api/messages/status", tag = "conversations", security(("bearer" = [])),
    request_body = StatusQuestion,
    responses(
        (status = 200, body = StatusAnswer),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn message_statuses(
    permitted: Permitted<MessagesView>,
    JsonBody(question): JsonBody<StatusQuestion>,
) -> Result<Json<StatusAnswer>, ApiError> {
    if !(1..=MAX_IDS).contains(&question.ids.len()) {
        return Err(ApiError::field(
            "ids",
            Text::new("must hold 1 to 1000 ids", "harus berisi 1 sampai 1000 id"),
        ));
    }
    let data: Vec<MessageStatus> = permitted
        .caller
        .database()
        .rpc("message_statuses", &json!({ "ids": question.ids }))
        .await?;
    let mut seen: HashSet<Uuid> = data.iter().map(|message| message.id).collect();
    let unknown = question.ids.into_iter().filter(|id| seen.insert(*id)).collect();
    Ok(Json(StatusAnswer { data, unknown }))
}
