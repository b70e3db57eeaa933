//! `GET /api/crm/contacts`.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::contact::Contact;
use super::contact_filter::ContactFilter;
use crm_core::caller::{AnyOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{QueryParameters, truth};
use crm_core::paging::{default_limit, first_page, page_number, page_size};
use crm_core::permissions::{ContactsView, ConversationsView};
use crm_core::routes;

/// The order of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContactSort {
    /// The newest contacts first.
    #[default]
    Newest,
    /// By name, without regard to capital letters and accents.
    Name,
    /// The latest message first, sent or received. Contacts without a message are left out.
    LastActivity,
}

/// The filters of the list: those of a body, without nesting.
#[derive(Deserialize)]
pub(crate) struct ListQuery {
    search: Option<String>,
    label_id: Option<Uuid>,
    segment_id: Option<Uuid>,
    tag: Option<String>,
    owner: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    opted_out: Option<bool>,
    #[serde(default, deserialize_with = "truth")]
    blocked: Option<bool>,
    field: Option<String>,
    #[serde(default)]
    pub(super) sort: ContactSort,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
    cursor: Option<String>,
    /// The format of an export.
    #[serde(default)]
    pub(super) format: tables::table_export::TableFormat,
}

impl ListQuery {
    pub(super) fn filter(&self) -> Result<ContactFilter, ApiError> {
        let filter = ContactFilter {
            search: self.search.clone(),
            label_id: self.label_id,
            segment_id: self.segment_id,
            tag: self.tag.clone(),
            owner: self.owner.clone(),
            opted_out: self.opted_out,
            blocked: self.blocked,
            fields: None,
        };
        filter.with_field(self.field.as_deref())?.checked()
    }
}

/// A page of contacts as the database returns it.
#[derive(Deserialize)]
pub(super) struct ContactRows {
    pub(super) rows: Vec<Contact>,
    total: Option<u64>,
    pub(super) next_cursor: Option<String>,
}

/// A page of contacts.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactPage {
    data: Vec<Contact>,
    /// The number of contacts on all pages.
    #[schema(example = 1)]
    total: u64,
    /// The page, from 1. It has no meaning with a cursor.
    #[schema(example = 1)]
    page: u32,
    #[schema(example = 20)]
    limit: u32,
    /// The value of `cursor` for the next page. Pages by cursor neither repeat nor miss a contact while others are
    /// added. Null on the last page.
    next_cursor: Option<String>,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(list_contacts))
}

/// List the contacts.
///
/// Callers with `contacts.view` see every contact; others see the contacts of the conversations they may see. Pages go
/// by `page`, or by `cursor`, which neither repeats nor misses a contact while others are added.
#[utoipa::path(
    get, path = "/api/crm/contacts", tag = "contacts",
    params(
        ("search" = Option<String>, Query, description = "Words of names, e-mail addresses and tags, or a part of a phone number in any form"),
        ("label_id" = Option<Uuid>, Query, description = "Only contacts with this label"),
        ("segment_id" = Option<Uuid>, Query, description = "Only contacts in this segment; it needs `segments.view`"),
        ("tag" = Option<String>, Query, description = "Only contacts with this tag"),
        ("owner" = Option<String>, Query, description = "Only contacts of this owner: `me`, `none`, or the id of a person"),
        ("opted_out" = Option<bool>, Query, description = "Whether the contact has opted out of marketing"),
        ("blocked" = Option<bool>, Query, description = "Whether the contact is blocked"),
        ("field" = Option<String>, Query, description = "The key and the value of a custom field, for example `city:Solo`"),
        ("sort" = inline(Option<ContactSort>), Query, description = "The order; `newest` if left out"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous page, with the same `sort`"),
    ),
    responses(
        (status = 200, body = ContactPage),
        (status = 403, description = "forbidden"),
        (status = 422, description = "invalid_filter"),
    ),
)]
pub(crate) async fn list_contacts(
    permitted: Permitted<AnyOf<(ContactsView, ConversationsView)>>,
    QueryParameters(query): QueryParameters<ListQuery>,
) -> Result<Json<ContactPage>, ApiError> {
    let arguments = json!({
        "filter": query.filter()?, "sort": query.sort, "page": query.page, "page_size": query.limit,
        "after": query.cursor,
    });
    let found: ContactRows = permitted
        .caller
        .database()
        .rpc("list_contacts", &arguments)
        .await?;
    Ok(Json(ContactPage {
        data: found.rows,
        total: found.total.unwrap_or_default(),
        page: query.page,
        limit: query.limit,
        next_cursor: found.next_cursor,
    }))
}
