//! `GET /api/crm/contacts/export`.

use axum::response::Response;
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
use tables::table_export::{AuditedQuery, Export, PagedQuery, TableFormat, download};

/// The number of contacts that one query reads.
const PAGE: u32 = 500;
/// The columns besides custom fields. An import reads some of them back and ignores the others. No custom field may
/// have one of these names.
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
    let caller = permitted.caller;
    let filter = query.filter()?;
    let fields: Vec<ContactField> = caller.database().rpc("list_contact_fields", &json!({})).await?;
    let contacts = FilteredContacts {
        filter,
        sort: query.sort,
        caller,
        keys: fields.into_iter().map(|field| field.key).collect(),
    };
    download(contacts, query.format, "contacts").await
}

struct FilteredContacts {
    caller: Caller,
    filter: ContactFilter,
    sort: ContactSort,
    /// The keys of the custom fields, which have a column each.
    keys: Vec<String>,
}

impl PagedQuery for FilteredContacts {
    type Page = ContactRows;
    type Cursor = String;

    async fn page(&self, cursor: Option<String>) -> Result<ContactRows, ApiError> {
        let arguments = json!({
            "filter": self.filter, "sort": self.sort, "page_size": PAGE, "after": cursor, "counted": false,
        });
        self.caller.database().rpc("list_contacts", &arguments).await
    }

    fn next(page: &ContactRows) -> Option<String> {
        page.next_cursor.clone()
    }

    fn columns(&self, _first: &ContactRows) -> Vec<String> {
        let keys = self.keys.iter().cloned();
        COLUMNS.into_iter().map(str::to_owned).chain(keys).collect()
    }

    fn rows(&self, page: &ContactRows) -> Vec<Vec<String>> {
        page.rows.iter().map(|contact| row(contact, &self.keys)).collect()
    }
}

impl AuditedQuery for FilteredContacts {
    fn export(&self) -> Export<'_> {
        Export {
            caller: &self.caller,
            table: "contacts",
            of: None,
            filters: json!(self.filter),
        }
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
