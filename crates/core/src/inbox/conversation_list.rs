//! `GET /api/conversations`: the inbox.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::conversation::Conversation;
use crate::app::App;
use crate::caller::Permitted;
use crate::error::{ApiError, ErrorBody};
use crate::json_body::QueryParameters;
use crate::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crate::permissions::ConversationsView;

/// What to list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    status: Option<ConversationStatus>,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
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

/// `/api/conversations`.
pub fn router() -> Router<App> {
    Router::new().route("/api/conversations", get(list_conversations))
}

/// The conversations the caller may see that have a message to show, the newest first.
#[utoipa::path(
    get, path = "/api/conversations", tag = "conversations", security(("bearer" = [])),
    params(
        ("status" = Option<ConversationStatus>, Query),
        ("page" = Option<u32>, Query, description = "From 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "Rows of a page, by default 20", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = Paged<Conversation>),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn list_conversations(
    permitted: Permitted<ConversationsView>,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Json<Paged<Conversation>>, ApiError> {
    let Filter { status, page, limit } = filter;
    let arguments = json!({ "status_filter": status, "page": page, "page_size": limit });
    let rows: Rows<Conversation> = permitted
        .caller
        .database()
        .rpc("list_conversations", &arguments)
        .await?;
    Ok(Json(rows.into_page(PageNumber { page, limit })))
}
