//! `GET /api/conversations/{id}/messages`: a thread.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::message::Message;
use crate::app::App;
use crate::caller::Permitted;
use crate::error::{ApiError, ErrorBody};
use crate::json_body::QueryParameters;
use crate::paging::{default_limit, page_size};
use crate::path_id::PathId;
use crate::permissions::MessagesView;

/// Which part of the thread.
#[derive(Deserialize)]
pub(crate) struct ThreadQuery {
    before: Option<Uuid>,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// One page of a thread.
#[derive(Serialize, ToSchema)]
pub(crate) struct Thread {
    /// The newest first.
    data: Vec<Message>,
    /// How many messages the thread has.
    total: u64,
    /// Pass it as `before` for the next, older page. Null on the last.
    next_cursor: Option<Uuid>,
}

#[derive(Deserialize)]
struct ThreadRows {
    rows: Vec<Message>,
    total: u64,
    next_cursor: Option<Uuid>,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/api/conversations/{id}/messages", get(list_messages))
}

/// The messages of a conversation, the newest first.
#[utoipa::path(
    get, path = "/api/conversations/{id}/messages", tag = "conversations", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path),
        ("before" = Option<Uuid>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, description = "By default 20", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = Thread),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn list_messages(
    permitted: Permitted<MessagesView>,
    PathId(id): PathId,
    QueryParameters(query): QueryParameters<ThreadQuery>,
) -> Result<Json<Thread>, ApiError> {
    let arguments = json!({ "conversation_id": id, "before": query.before, "page_size": query.limit });
    let thread: Option<ThreadRows> = permitted
        .caller
        .database()
        .rpc("list_messages", &arguments)
        .await?;
    let ThreadRows {
        rows,
        total,
        next_cursor,
    } = thread.ok_or_else(ApiError::not_found)?;
    Ok(Json(Thread {
        data: rows,
        total,
        next_cursor,
    }))
}
