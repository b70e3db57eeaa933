//! `GET` and `POST /api/quick-replies`.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::quick_reply::{NewQuickReply, QuickReply, QuickReplyChanges};
use crm_core::caller::{AnyOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::{JsonBody, QueryParameters, created};
use crm_core::paging::{default_limit, first_page, page_number, page_size};
use crm_core::permissions::{QuickRepliesCreate, QuickRepliesUpdate, QuickRepliesView};
use crm_core::routes;

/// The filters of the list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    search: Option<String>,
    category: Option<String>,
    #[serde(default)]
    scope: ScopeFilter,
    #[serde(default)]
    sort: Sort,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// The owner to filter by.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = QuickReplyScopeFilter)]
enum ScopeFilter {
    Shared,
    Personal,
    #[default]
    All,
}

/// The order of the list.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = QuickReplySort)]
enum Sort {
    /// The most used first.
    #[default]
    Usage,
    Shortcut,
    Newest,
}

/// The answer of the database.
#[derive(Deserialize)]
struct Rows {
    pub rows: Vec<QuickReply>,
    pub total: u64,
    categories: Vec<QuickReplyCategory>,
}

/// One page of quick replies.
#[derive(Serialize, ToSchema)]
pub(crate) struct QuickReplyPage {
    data: Vec<QuickReply>,
    /// The number of quick replies on all pages.
    #[schema(example = 1)]
    total: u64,
    #[schema(example = 1)]
    page: u32,
    #[schema(example = 20)]
    limit: u32,
    /// The categories within the scope, regardless of the search.
    categories: Vec<QuickReplyCategory>,
}

/// A category with its number of quick replies.
#[derive(Serialize, Deserialize, ToSchema)]
struct QuickReplyCategory {
    #[schema(example = "Umum")]
    name: String,
    count: u64,
}

/// `/api/quick-replies`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_quick_replies, create_quick_reply))
}

/// List the quick replies.
///
/// The list has the shared quick replies and the caller's own ones.
#[utoipa::path(
    get, path = "/api/quick-replies", tag = "quick-replies",
    params(
        ("search" = Option<String>, Query, description = "A part of the shortcut, the title or the text"),
        ("category" = Option<String>, Query, description = "Only quick replies of this category"),
        ("scope" = inline(Option<ScopeFilter>), Query, description = "The owner of the quick replies; `all` if left out"),
        ("sort" = inline(Option<Sort>), Query, description = "The order; `usage` if left out"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = QuickReplyPage)),
)]
pub(crate) async fn list_quick_replies(
    permitted: Permitted<QuickRepliesView>,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Json<QuickReplyPage>, ApiError> {
    let text = |field, value: &Option<String>| {
        optional_text(field, value.as_deref().unwrap_or_default(), 100)
            .map(|text| (!text.is_empty()).then_some(text))
    };
    let arguments = json!({
        "search": text("search", &filter.search)?, "category_filter": text("category", &filter.category)?,
        "scope": filter.scope, "sort": filter.sort, "page": filter.page, "page_size": filter.limit,
    });
    let found: Rows = permitted
        .caller
        .database()
        .rpc("list_quick_replies", &arguments)
        .await?;
    Ok(Json(QuickReplyPage {
        data: found.rows,
        total: found.total,
        page: filter.page,
        limit: filter.limit,
        categories: found.categories,
    }))
}

/// Create a quick reply.
///
/// `quick_replies.create` allows personal quick replies, `quick_replies.update` shared ones. A file must be in the
/// bucket `broadcast-media`, in the folder of the organisation.
#[utoipa::path(
    post, path = "/api/quick-replies", tag = "quick-replies",
    request_body(content = NewQuickReply, example = json!({
        "shortcut": "/halo", "title": "Sapaan", "category": "Umum", "scope": "shared",
        "content": "Halo {{contact.name}}, saya {{agent.name}} dari {{tenant.name}}.",
    })),
    responses(
        (status = 201, body = QuickReply),
        (status = 409, description = "shortcut_taken"),
        (status = 422, description = "unknown_variable"),
    ),
)]
pub(crate) async fn create_quick_reply(
    permitted: Permitted<AnyOf<(QuickRepliesCreate, QuickRepliesUpdate)>>,
    JsonBody(reply): JsonBody<NewQuickReply>,
) -> Result<(StatusCode, Json<QuickReply>), ApiError> {
    let changes = QuickReplyChanges::from(reply).checked()?;
    let reply: QuickReply = permitted
        .caller
        .database()
        .rpc("save_quick_reply", &json!({ "changes": changes }))
        .await?;
    Ok(created(reply))
}
