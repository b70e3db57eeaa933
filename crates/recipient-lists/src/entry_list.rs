//! `GET /api/broadcast/recipient-lists/{id}/entries`, as pages or as CSV.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::{RecipientListsExport, RecipientListsView};
use crm_core::routes;
use tables::table_export::{AuditedQuery, Export, PagedQuery, TableFormat, download};

/// The number of entries that one query of a download reads.
const PAGE: u32 = 1000;

/// An entry of a recipient list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ListEntry {
    /// The line in the file.
    line: u32,
    #[schema(example = "+6281234567890")]
    phone_number: String,
    #[schema(example = "Ani")]
    name: Option<String>,
    /// The values by the list's columns.
    #[schema(value_type = Object, example = json!({"city": "Solo"}))]
    variables: Map<String, Value>,
    /// Whether the person has opted out of marketing. Marketing campaigns skip them.
    opted_out: bool,
}

#[derive(Deserialize)]
struct EntryPage {
    columns: Vec<String>,
    #[serde(flatten)]
    rows: Rows<ListEntry>,
}

/// The entries that a request selects.
struct Entries {
    caller: Caller,
    list: Uuid,
    search: Option<String>,
}

impl Entries {
    /// Reads a page of the entries after a line. 404 without the list.
    async fn read(&self, number: PageNumber, after_line: u32) -> Result<EntryPage, ApiError> {
        let arguments = json!({
            "list_id": self.list, "search": self.search, "page": number.page, "page_size": number.limit,
            "after_line": after_line,
        });
        let page: Option<EntryPage> = self
            .caller
            .database()
            .rpc("list_recipient_list_entries", &arguments)
            .await?;
        page.ok_or_else(ApiError::not_found)
    }
}

impl PagedQuery for Entries {
    type Page = EntryPage;
    /// The line of the last entry.
    type Cursor = u32;

    async fn page(&self, cursor: Option<u32>) -> Result<EntryPage, ApiError> {
        let number = PageNumber { page: 1, limit: PAGE };
        self.read(number, cursor.unwrap_or_default()).await
    }

    fn next(page: &EntryPage) -> Option<u32> {
        page.rows.rows.last().map(|entry| entry.line)
    }

    fn columns(&self, first: &EntryPage) -> Vec<String> {
        let fixed = ["contacts_name", "phone_number"].map(str::to_owned);
        fixed.into_iter().chain(first.columns.iter().cloned()).collect()
    }

    fn rows(&self, page: &EntryPage) -> Vec<Vec<String>> {
        page.rows
            .rows
            .iter()
            .map(|entry| row(entry, &page.columns))
            .collect()
    }
}

impl AuditedQuery for Entries {
    fn export(&self) -> Export<'_> {
        Export {
            caller: &self.caller,
            table: "recipient_list_entries",
            of: Some(self.list),
            filters: json!({ "search": self.search }),
        }
    }
}

fn row(entry: &ListEntry, columns: &[String]) -> Vec<String> {
    let text = |column: &String| entry.variables.get(column).and_then(Value::as_str);
    let variables = columns
        .iter()
        .map(|column| text(column).unwrap_or_default().to_owned());
    let fixed = [entry.name.clone().unwrap_or_default(), entry.phone_number.clone()];
    fixed.into_iter().chain(variables).collect()
}

/// The filters of the list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    search: Option<String>,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
    #[serde(default)]
    format: Format,
}

/// The format of the answer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = EntryListFormat)]
enum Format {
    #[default]
    Json,
    Csv,
}

/// `/api/broadcast/recipient-lists/{id}/entries`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_recipient_list_entries))
}

/// List the people on a recipient list.
///
/// The people come in the order of the file. With `format=csv` the answer is a file with all of them, which can be
/// imported again; it needs `recipient_lists.export` as well.
#[utoipa::path(
    get, path = "/api/broadcast/recipient-lists/{id}/entries", tag = "recipient-lists",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the recipient list"),
        ("search" = Option<String>, Query, description = "A part of a name or a phone number"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
        ("format" = inline(Option<Format>), Query, description = "`csv` answers with a file; it needs `recipient_lists.export` as well"),
    ),
    responses((status = 200, content((Paged<ListEntry> = "application/json"), (String = "text/csv")))),
)]
pub(crate) async fn list_recipient_list_entries(
    permitted: Permitted<RecipientListsView>,
    PathId(list): PathId,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Response, ApiError> {
    let caller = permitted.caller;
    let search = optional_text("search", filter.search.as_deref().unwrap_or_default(), 200)?;
    let search = (!search.is_empty()).then_some(search);
    if filter.format == Format::Csv {
        caller.require::<RecipientListsExport>()?;
    }
    let entries = Entries { caller, list, search };
    if filter.format == Format::Csv {
        return download(entries, TableFormat::Csv, "recipients").await;
    }
    let number = PageNumber {
        page: filter.page,
        limit: filter.limit,
    };
    let found = entries.read(number, 0).await?;
    Ok(Json(found.rows.into_page(number)).into_response())
}
