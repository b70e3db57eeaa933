//! `GET /api/broadcast/recipient-lists/{id}/entries`, as pages or as CSV.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::csv_export::{LinePage, Lines};
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::{RecipientListsExport, RecipientListsView};
use crm_core::routes;
use tables::csv_table;

/// Somebody on a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ListEntry {
    /// Where it stood in the file.
    line: u32,
    #[schema(example = "6281234567890")]
    phone_number: String,
    #[schema(example = "Ani")]
    name: Option<String>,
    /// Texts by the list's columns.
    #[schema(value_type = Object, example = json!({"city": "Solo"}))]
    variables: Map<String, Value>,
    /// Wants no marketing: marketing campaigns skip them.
    opted_out: bool,
}

#[derive(Deserialize)]
struct EntryPage {
    columns: Vec<String>,
    #[serde(flatten)]
    rows: Rows<ListEntry>,
}

impl LinePage for EntryPage {
    fn behind(&self) -> Option<Value> {
        self.rows
            .rows
            .last()
            .map(|entry| json!({ "after_line": entry.line }))
    }
}

/// What to list.
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

/// How to answer.
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
    let arguments = json!({ "search": search });
    let lines = Lines {
        caller,
        function: "list_recipient_list_entries",
        list,
        arguments,
    };
    if filter.format == Format::Csv {
        return lines.export("recipients.csv", head, table).await;
    }
    let Filter { page, limit, .. } = filter;
    let entries: EntryPage = lines.page(page, limit, None).await?;
    Ok(Json(entries.rows.into_page(PageNumber { page, limit })).into_response())
}

fn head(page: &EntryPage) -> String {
    let mut head = String::new();
    let fixed = ["contacts_name", "phone_number"];
    let cells: Vec<&str> = fixed
        .into_iter()
        .chain(page.columns.iter().map(String::as_str))
        .collect();
    csv_table::push_line(&mut head, &cells);
    head
}

fn table(page: &EntryPage) -> String {
    let mut table = String::new();
    for entry in &page.rows.rows {
        let mut cells = vec![entry.name.as_deref().unwrap_or_default(), &entry.phone_number];
        cells.extend(page.columns.iter().map(|column| {
            entry
                .variables
                .get(column)
                .and_then(Value::as_str)
                .unwrap_or_default()
        }));
        csv_table::push_line(&mut table, &cells);
    }
    table
}
