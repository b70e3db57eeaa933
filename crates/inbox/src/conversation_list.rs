//! `GET /api/conversations`: the list of conversations.

use axum::Json;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::conversation::{Conversation, ConversationStatus, Priority};
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::{QueryParameters, truth};
use crm_core::paging::{default_limit, first_page, page_number, page_size};
use crm_core::permissions::ConversationsView;
use crm_core::routes;

const LONGEST_SEARCH: usize = 200;

/// The filters of the list.
#[derive(Deserialize)]
pub(crate) struct InboxQuery {
    #[serde(default, deserialize_with = "several")]
    status: Option<Vec<ConversationStatus>>,
    assigned_to: Option<AssignedTo>,
    label: Option<Uuid>,
    session_id: Option<Uuid>,
    #[serde(default, deserialize_with = "truth")]
    unread: Option<bool>,
    #[serde(default, deserialize_with = "truth")]
    window_open: Option<bool>,
    #[serde(default, deserialize_with = "several")]
    priority: Option<Vec<Priority>>,
    search: Option<String>,
    #[serde(default)]
    sort: Sort,
    cursor: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    counts: Option<bool>,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// The order of the list.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ConversationSort)]
pub(crate) enum Sort {
    /// The latest message first.
    #[default]
    Newest,
    Oldest,
    /// Customers who wait for an answer, the longest wait first.
    Waiting,
    /// The highest priority first, and within a priority the latest message.
    Priority,
}

/// The assignment to filter by.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "must be the id of a person, `me` or `none`")]
enum AssignedTo {
    Person(Uuid),
    Word(AssignedWord),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AssignedWord {
    Me,
    None,
}

/// The filter as the database expects it.
#[derive(Serialize)]
struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Vec<ConversationStatus>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_open: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Vec<Priority>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
}

/// A page of the inbox.
#[derive(Serialize, ToSchema)]
pub(crate) struct Inbox {
    data: Vec<Conversation>,
    /// The number of conversations on all pages.
    #[schema(example = 1)]
    total: u64,
    #[schema(example = 1)]
    page: u32,
    #[schema(example = 20)]
    limit: u32,
    /// The value of `cursor` for the next page. Null on the last page.
    next_cursor: Option<String>,
    /// False if a search found so many messages that older conversations may be missing.
    complete: bool,
    /// The counts, with `counts=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    counts: Option<Counts>,
}

/// The numbers of conversations that the caller may see, regardless of the filters.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ConversationCounts)]
pub(crate) struct Counts {
    all: u64,
    /// Conversations with messages that the caller has not read.
    unread: u64,
    /// Conversations that are assigned to the caller and not resolved.
    mine: u64,
    /// Conversations that are unassigned and not resolved.
    unassigned: u64,
    open: u64,
    pending: u64,
    snoozed: u64,
    resolved: u64,
}

#[derive(Deserialize)]
struct InboxRows {
    rows: Vec<Conversation>,
    total: u64,
    next_cursor: Option<String>,
    complete: bool,
}

/// Reads values separated by commas, or given one by one.
fn several<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    use serde::de::value::{Error, StringDeserializer};
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Text(String),
        OneByOne(Vec<String>),
    }
    let text = match Given::deserialize(deserializer)? {
        Given::Text(text) => text,
        Given::OneByOne(values) => values.join(","),
    };
    text.split(',')
        .map(|value| T::deserialize(StringDeserializer::<Error>::new(value.to_owned())))
        .collect::<Result<_, _>>()
        .map(Some)
        .map_err(serde::de::Error::custom)
}

/// `/api/conversations`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_conversations))
}

/// List the conversations.
///
/// The list has the conversations that the caller may see and that have a message to show. Pages go by `page`, or by
/// `cursor`, which shows a conversation exactly once unless something happens to it.
#[utoipa::path(
    get, path = "/api/conversations", tag = "conversations",
    params(
        ("status" = inline(Option<Vec<ConversationStatus>>), Query, description = "Only conversations in one of these states", style = Form, explode = false),
        ("assigned_to" = Option<String>, Query, description = "Only conversations assigned to this person: an id, `me` or `none`"),
        ("label" = Option<Uuid>, Query, description = "Only conversations with this label"),
        ("session_id" = Option<Uuid>, Query, description = "Only conversations with this connected number"),
        ("unread" = Option<bool>, Query, description = "Whether the customer wrote something that the caller has not read"),
        ("window_open" = Option<bool>, Query, description = "Whether the customer wrote within the last 24 hours"),
        ("priority" = inline(Option<Vec<Priority>>), Query, description = "Only conversations with one of these priorities", style = Form, explode = false),
        ("search" = Option<String>, Query, description = "A part of the customer's name or number, or the beginnings of words in messages", max_length = 200),
        ("sort" = inline(Option<Sort>), Query, description = "The order; `newest` if left out"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous page, with the same `sort`"),
        ("counts" = Option<bool>, Query, description = "Whether to count the conversations of each state as well"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Inbox)),
)]
pub(crate) async fn list_conversations(
    permitted: Permitted<ConversationsView>,
    QueryParameters(query): QueryParameters<InboxQuery>,
) -> Result<Json<Inbox>, ApiError> {
    let caller = &permitted.caller;
    let search = match &query.search {
        Some(search) => {
            Some(optional_text("search", search, LONGEST_SEARCH)?).filter(|text| !text.is_empty())
        }
        None => None,
    };
    let filter = Filter {
        status: query.status,
        assigned_to: query.assigned_to.map(|assigned| match assigned {
            AssignedTo::Person(id) => id.to_string(),
            AssignedTo::Word(AssignedWord::Me) => caller.access.user_id.to_string(),
            AssignedTo::Word(AssignedWord::None) => "none".to_owned(),
        }),
        label: query.label,
        session_id: query.session_id,
        unread: query.unread,
        window_open: query.window_open,
        priority: query.priority,
        search,
    };
    let arguments = json!({
        "filter": filter, "sort": query.sort, "cursor": query.cursor, "page": query.page, "page_size": query.limit,
    });
    let rows: InboxRows = caller.database().rpc("list_inbox", &arguments).await?;
    let counts = match query.counts {
        Some(true) => Some(caller.database().rpc("count_inbox", &json!({})).await?),
        _ => None,
    };
    Ok(Json(Inbox {
        data: rows.rows,
        total: rows.total,
        page: query.page,
        limit: query.limit,
        next_cursor: rows.next_cursor,
        complete: rows.complete,
        counts,
    }))
}
