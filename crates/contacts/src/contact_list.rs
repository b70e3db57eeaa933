//! `GET /api/crm/contacts`.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::contact::Contact;
use super::contact_filter::ContactFilter;
use crm_core::app::App;
use crm_core::caller::{AnyOf, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::{QueryParameters, truth};
use crm_core::paging::{default_limit, first_page, page_number, page_size};
use crm_core::permissions::{ContactsView, ConversationsView};

/// In which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContactSort {
    /// Those added last.
    #[default]
    Newest,
    /// By name, without regard to capital letters and accents.
    Name,
    /// Those who wrote, or were written to, last. Those without a message are left out.
    LastActivity,
}

/// Which contacts to list. As for a body, but flat.
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
    /// Of an export.
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

/// A page of contacts as the database answers it.
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
    /// How many there are on all pages.
    total: u64,
    /// The page, from 1. Meaningless behind a cursor.
    page: u32,
    limit: u32,
    /// To be given as `cursor`, for the page behind this one: no contact comes twice or is missed, whatever is added
    /// meanwhile. Null on the last page.
    next_cursor: Option<String>,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/api/crm/contacts", get(list_contacts))
}

/// Contacts: every one for holders of `contacts.view`, for others those of conversations they may see.
#[utoipa::path(
    get, path = "/api/crm/contacts", tag = "contacts", security(("bearer" = [])),
    params(
        ("search" = Option<String>, Query, description = "Words of names, addresses and tags, or a part of a number in any spelling"),
        ("label_id" = Option<Uuid>, Query),
        ("segment_id" = Option<Uuid>, Query, description = "Takes `segments.view`"),
        ("tag" = Option<String>, Query),
        ("owner" = Option<String>, Query, description = "`me`, `none`, or the id of a person"),
        ("opted_out" = Option<bool>, Query),
        ("blocked" = Option<bool>, Query),
        ("field" = Option<String>, Query, description = "A field's value: `city:Solo`"),
        ("sort" = Option<ContactSort>, Query, description = "`newest` by default"),
        ("page" = Option<u32>, Query, description = "From 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "Rows of a page, by default 20", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before, in the same order"),
    ),
    responses(
        (status = 200, body = ContactPage), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
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
