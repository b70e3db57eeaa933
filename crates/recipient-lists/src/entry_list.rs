//! `GET /api/broadcast/recipient-lists/{id}/entries`, as pages or as CSV.

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::csv_export::{LinePage, Lines};
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::field_rules::optional_text;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::{RecipientListsExport, RecipientListsView};
use tables::csv_table;

/// Somebody on a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ListEntry {
    /// Where it stood in the file.
    line: u32,
    phone_number: String,
    name: Option<String>,
    /// Texts by the list's columns.
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
enum Format {
    #[default]
    Json,
    Csv,
}

/// `/api/broadcast/recipient-lists/{id}/entries`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/broadcast/recipient-lists/{id}/entries",
        get(list_recipient_list_entries),
    )
}

/// The people on a list in their order. As CSV all of them, in the form that an import takes.
#[utoipa::path(
    get, path = "/api/broadcast/recipient-lists/{id}/entries", tag = "recipient-lists", security(("bearer" = [])),
    params(
        ("id" = uuid::Uuid, Path),
        ("search" = Option<String>, Query, description = "A part of the name or of the phone number"),
        ("page" = Option<u32>, Query, description = "From 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "Rows of a page, by default 20", minimum = 1, maximum = 100),
        ("format" = Option<Format>, Query, description = "`csv` needs `recipient_lists.export` too"),
    ),
    responses(
        (status = 200, content((Paged<ListEntry> = "application/json"), (String = "text/csv"))),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
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
