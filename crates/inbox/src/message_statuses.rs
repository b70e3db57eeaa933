//! `POST /api/messages/status`: the statuses of many messages.

use std::collections::HashSet;

use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::failure::Failure;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::permissions::MessagesView;
use crm_core::routes;
use crm_core::text::Text;

const MAX_IDS: usize = 1000;

/// The messages to look up.
#[derive(Deserialize, ToSchema)]
pub(crate) struct StatusQuestion {
    /// 1 to 1000 ids of messages.
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<Uuid>,
}

/// The statuses of the messages.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusAnswer {
    /// Each status once, in the order of the ids.
    data: Vec<MessageStatus>,
    /// The ids that belong to no message the caller may see.
    unknown: Vec<Uuid>,
}

/// The status of a message.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct MessageStatus {
    id: Uuid,
    conversation_id: Uuid,
    #[schema(example = "wamid.HBgNNjI4MTIzNDU2Nzg5MBUCABEYEjZ")]
    whatsapp_message_id: Option<String>,
    /// The status, as in a message.
    #[schema(value_type = super::message::MessageState)]
    status: String,
    sent_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    read_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
    #[serde(flatten)]
    failure: Failure,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(message_statuses))
}

/// Get the status of many messages.
///
/// Up to 1,000 messages can be asked for at once. Ids of messages that the caller may not see are listed in `unknown`.
#[utoipa::path(
    post, path = "/api/messages/status", tag = "conversations",
    request_body = StatusQuestion,
    responses((status = 200, body = StatusAnswer)),
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
