//! `GET` and `POST /api/quick-replies`.

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::quick_reply::{NewQuickReply, QuickReply, QuickReplyChanges};
use crm_core::app::App;
use crm_core::caller::{AnyOf, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::field_rules::optional_text;
use crm_core::json_body::{JsonBody, QueryParameters, created};
use crm_core::paging::{default_limit, first_page, page_number, page_size};
use crm_core::permissions::{QuickRepliesCreate, QuickRepliesUpdate, QuickRepliesView};

/// What to list.
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

/// Whose.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ScopeFilter {
    Shared,
    Personal,
    #[default]
    All,
}

/// What comes first.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Sort {
    /// The most used.
    #[default]
    Usage,
    Shortcut,
    Newest,
}

/// How the database answers.
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
    /// How many there are on all pages.
    total: u64,
    page: u32,
    limit: u32,
    /// The categories there are within the scope, whatever is searched for.
    categories: Vec<QuickReplyCategory>,
}

/// A category, and how many quick replies are in it.
#[derive(Serialize, Deserialize, ToSchema)]
struct QuickReplyCategory {
    name: String,
    count: u64,
}

/// `/api/quick-replies`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/quick-replies",
        get(list_quick_replies).post(create_quick_reply),
    )
}

/// The quick replies of everybody and one's own.
#[utoipa::path(
    get, path = "/api/quick-replies", tag = "quick-replies", security(("bearer" = [])),
    params(
        ("search" = Option<String>, Query, description = "A part of shortcut, title or text"),
        ("category" = Option<String>, Query), ("scope" = Option<ScopeFilter>, Query), ("sort" = Option<Sort>, Query),
        ("page" = Option<u32>, Query, description = "From 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "Rows of a page, by default 20", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = QuickReplyPage), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
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

/// Makes a quick reply: for oneself with `quick_replies.create`, for everybody with `quick_replies.update`. Its file lies
/// in bucket `broadcast-media`, in the folder of the tenant.
#[utoipa::path(
    post, path = "/api/quick-replies", tag = "quick-replies", security(("bearer" = [])),
    request_body(content = NewQuickReply, example = json!({
        "shortcut": "/halo", "title": "Sapaan", "category": "Umum", "scope": "shared",
        "content": "Halo {{contact.name}}, saya {{agent.name}} dari {{tenant.name}}.",
    })),
    responses(
        (status = 201, body = QuickReply), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 409, description = "`shortcut_taken`", body = ErrorBody),
        (status = 422, description = "Also `unknown_variable`", body = ErrorBody),
    )
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
