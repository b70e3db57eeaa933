//! `GET /api/crm/contacts/export`.

use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};

use super::contact::Contact;
use super::contact_filter::ContactFilter;
use super::contact_list::{ContactRows, ContactSort, ListQuery};
use super::fields::ContactField;
use crm_core::caller::{AllOf, Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::permissions::{ContactsExport, ContactsView};
use crm_core::routes;
use tables::table_export::{TableExport, TableFormat, download};

/// Contacts of one call to the database.
const PAGE: u32 = 500;
/// What an import takes back, and what it leaves alone. No custom field has one of these names.
pub(super) const COLUMNS: [&str; 12] = [
    "phone_number",
    "name",
    "profile_name",
    "email",
    "language",
    "tags",
    "labels",
    "owner",
    "opted_out_at",
    "blocked_at",
    "last_activity_at",
    "created_at",
];

/// `/api/crm/contacts/export`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(export_contacts))
}

/// Export contacts as a file.
///
/// The file has the contacts that pass the filters of the list, one column for each custom field, and times in UTC.
#[utoipa::path(
    get, path = "/api/crm/contacts/export", tag = "contacts",
    params(
        ("format" = inline(Option<TableFormat>), Query, description = "The kind of file; `csv` if left out"),
        ("search" = Option<String>, Query, description = "Words of names, e-mail addresses and tags, or a part of a phone number in any form"),
        ("label_id" = Option<uuid::Uuid>, Query, description = "Only contacts with this label"),
        ("segment_id" = Option<uuid::Uuid>, Query, description = "Only contacts in this segment; it needs `segments.view`"),
        ("tag" = Option<String>, Query, description = "Only contacts with this tag"),
        ("owner" = Option<String>, Query, description = "Only contacts of this owner: `me`, `none`, or the id of a person"),
        ("opted_out" = Option<bool>, Query, description = "Whether the contact has opted out of marketing"),
        ("blocked" = Option<bool>, Query, description = "Whether the contact is blocked"),
        ("field" = Option<String>, Query, description = "The key and the value of a custom field, for example `city:Solo`"),
        ("sort" = inline(Option<ContactSort>), Query, description = "The order; `newest` if left out"),
    ),
    responses(
        (status = 200, content(
            (String = "text/csv"),
            (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )),
        (status = 422, description = "invalid_filter"),
    ),
)]
pub(crate) async fn export_contacts(
    permitted: Permitted<AllOf<(ContactsExport, ContactsView)>>,
    QueryParameters(query): QueryParameters<ListQuery>,
) -> Result<Response, ApiError> {
    let pages = Pages {
        filter: query.filter()?,
        sort: query.sort,
        caller: permitted.caller,
    };
    let fields: Vec<ContactField> = pages
        .caller
        .database()
        .rpc("list_contact_fields", &json!({}))
        .await?;
    let keys: Vec<String> = fields.into_iter().map(|field| field.key).collect();
    let columns: Vec<&str> = COLUMNS
        .into_iter()
        .chain(keys.iter().map(String::as_str))
        .collect();
    let table =
        TableExport::new(query.format, &columns).map_err(|error| ApiError::internal(error.to_string()))?;
    // The first page is read before the answer begins, so that what is wrong is told as an error.
    let first = pages.page(None).await?;
    let rows = stream::unfold(Some((pages, keys, Some(first), None)), |state| async move {
        let (pages, keys, first, cursor) = state?;
        let page = match first {
            Some(page) => page,
            None => match pages.page(cursor).await {
                Ok(page) => page,
                Err(error) => return Some((Err(error), None)),
            },
        };
        let rows = page.rows.iter().map(|contact| row(contact, &keys)).collect();
        let next = page.next_cursor.map(|cursor| (pages, keys, None, Some(cursor)));
        Some((Ok(rows), next))
    });
    Ok(download(query.format, "contacts", table, rows))
}

struct Pages {
    caller: Caller,
    filter: ContactFilter,
    sort: ContactSort,
}

impl Pages {
    async fn page(&self, cursor: Option<String>) -> Result<ContactRows, ApiError> {
        let arguments = json!({
            "filter": self.filter, "sort": self.sort, "page_size": PAGE, "after": cursor, "counted": false,
        });
        self.caller.database().rpc("list_contacts", &arguments).await
    }
}

fn row(contact: &Contact, keys: &[String]) -> Vec<String> {
    let time = |time: &Option<chrono::DateTime<chrono::Utc>>| {
        time.map(|time| time.format("%Y-%m-%d %H:%M:%S").to_string())
            .unwrap_or_default()
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let labels: Vec<&str> = contact.labels.iter().map(|label| label.name.as_str()).collect();
    let mut cells = vec![
        text(&contact.phone_number),
        text(&contact.name),
        text(&contact.profile_name),
        text(&contact.email),
        text(&contact.language),
        contact.tags.join("; "),
        labels.join("; "),
        contact.owner_name.clone().unwrap_or_default(),
        time(&contact.marketing_opted_out_at),
        time(&contact.blocked_at),
        time(&contact.last_activity_at),
        time(&Some(contact.created_at)),
    ];
    cells.extend(keys.iter().map(|key| match contact.custom_fields.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }));
    cells
}
