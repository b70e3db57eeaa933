//! `GET /api/conversations/{id}/messages`: the thread of a conversation.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::message::Message;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::{QueryParameters, truth};
use crm_core::paging::{default_limit, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::MessagesView;
use crm_core::routes;
use crm_core::text::Text;

const LONGEST_SEARCH: usize = 200;

/// The part of the thread to list.
#[derive(Deserialize)]
pub(crate) struct ThreadQuery {
    before: Option<Uuid>,
    after: Option<Uuid>,
    around: Option<Uuid>,
    search: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    scheduled: Option<bool>,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// One page of a thread.
#[derive(Serialize, ToSchema)]
#[schema(as = MessagePage)]
pub(crate) struct Thread {
    /// The messages, newest first.
    data: Vec<Message>,
    /// The number of messages in the thread, or the number that the search found.
    total: u64,
    /// The value of `before` for the next, older page. Null on the last page.
    next_cursor: Option<Uuid>,
    /// The value of `after` for the next newer page. Null on the newest page.
    previous_cursor: Option<Uuid>,
}

#[derive(Deserialize)]
struct ThreadRows {
    rows: Vec<Message>,
    total: u64,
    older: Option<Uuid>,
    newer: Option<Uuid>,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(list_messages))
}

/// List the messages of a conversation.
///
/// The newest message comes first. Without a cursor the answer is the newest page; `before`, `after` and `around` name
/// a message to page from. `scheduled=true` lists only messages that will be sent later, the next one first.
#[utoipa::path(
    get, path = "/api/conversations/{id}/messages", tag = "conversations",
    params(
        ("id" = Uuid, Path, description = "The id of the conversation"),
        ("before" = Option<Uuid>, Query, description = "The id of a message: lists messages that are older"),
        ("after" = Option<Uuid>, Query, description = "The id of a message: lists the messages that follow"),
        ("around" = Option<Uuid>, Query, description = "The id of a message: lists it with the messages around it"),
        ("search" = Option<String>, Query, description = "The beginnings of words that a message must all have", max_length = 200),
        ("scheduled" = Option<bool>, Query, description = "`true` lists only messages that will be sent later"),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Thread)),
)]
pub(crate) async fn list_messages(
    permitted: Permitted<MessagesView>,
    PathId(id): PathId,
    QueryParameters(query): QueryParameters<ThreadQuery>,
) -> Result<Json<Thread>, ApiError> {
    let (place, message) = match (query.before, query.after, query.around) {
        (None, None, None) => (None, None),
        (Some(message), None, None) => (Some("before"), Some(message)),
        (None, Some(message), None) => (Some("after"), Some(message)),
        (None, None, Some(message)) => (Some("around"), Some(message)),
        _ => {
            return Err(ApiError::field(
                "after",
                Text::new(
                    "only one of `before`, `after` and `around` can be given",
                    "hanya satu dari `before`, `after`, dan `around` yang boleh diisi",
                ),
            ));
        }
    };
    let search = match &query.search {
        Some(search) => {
            Some(optional_text("search", search, LONGEST_SEARCH)?).filter(|text| !text.is_empty())
        }
        None => None,
    };
    let arguments = json!({
        "conversation_id": id, "place": place, "message_id": message, "search": search,
        "scheduled": query.scheduled == Some(true), "page_size": query.limit,
    });
    let thread: Option<ThreadRows> = permitted.caller.database().rpc("read_thread", &arguments).await?;
    let thread = thread.ok_or_else(ApiError::not_found)?;
    Ok(Json(Thread {
        data: thread.rows,
        total: thread.total,
        next_cursor: thread.older,
        previous_cursor: thread.newer,
    }))
}
