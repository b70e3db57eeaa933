//! `GET /api/broadcast/recipient-lists/{id}/errors`: rows that are not on a list, and why.

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::csv_export::{LinePage, Lines};
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::path_id::PathId;
use crm_core::permissions::RecipientListsView;
use crm_core::routes;
use crm_core::text::Language;
use tables::csv_table;
use tables::file_import::row_problem::text_of;

/// What is wrong with one value of a row.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RowError {
    /// The row, as an editor or a spreadsheet shows it; of recipients given one by one their place, from 1.
    line: u32,
    /// The column, as the file names it. Empty where it is the row.
    #[schema(example = "phone")]
    column: String,
    #[schema(example = "0812")]
    value: String,
    /// For programs, such as `phone_invalid` or `duplicate`.
    #[schema(example = "phone_invalid")]
    code: String,
    /// For people, in the language of `Accept-Language`.
    #[schema(example = "is not a phone number")]
    reason: String,
}

#[derive(Deserialize)]
struct StoredError {
    line: u32,
    field: String,
    code: String,
    value: String,
    first_line: Option<u32>,
}

impl StoredError {
    fn told(self, language: Language) -> RowError {
        let reason = text_of(&self.code, self.first_line)
            .in_language(language)
            .to_owned();
        RowError {
            line: self.line,
            column: self.field,
            value: self.value,
            code: self.code,
            reason,
        }
    }
}

impl LinePage for Rows<StoredError> {
    fn behind(&self) -> Option<Value> {
        let last = self.rows.last()?;
        Some(json!({ "after_line": last.line, "after_field": last.field }))
    }
}

/// What to list.
#[derive(Deserialize)]
pub(crate) struct Filter {
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
#[schema(as = RowErrorFormat)]
enum Format {
    #[default]
    Csv,
    Json,
}

/// `/api/broadcast/recipient-lists/{id}/errors`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_recipient_list_errors))
}

/// List the rows that are not on a recipient list.
///
/// Each entry names the line, the column, the value and the reason. The answer is a CSV file with all rows or, with
/// `format=json`, a page.
#[utoipa::path(
    get, path = "/api/broadcast/recipient-lists/{id}/errors", tag = "recipient-lists",
    params(
        ("id" = uuid::Uuid, Path, description = "The id of the recipient list"),
        ("format" = inline(Option<Format>), Query, description = "`csv` if left out and `Accept` does not ask for JSON"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, content((String = "text/csv"), (Paged<RowError> = "application/json")))),
)]
pub(crate) async fn list_recipient_list_errors(
    permitted: Permitted<RecipientListsView>,
    PathId(list): PathId,
    QueryParameters(filter): QueryParameters<Filter>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let language = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    let language = Language::from_accept_language(language.unwrap_or_default());
    let lines = Lines {
        caller: permitted.caller,
        function: "list_recipient_list_errors",
        list,
        arguments: json!({}),
    };
    if filter.format == Format::Csv {
        return lines
            .export(
                "errors.csv",
                |_| head(language),
                move |page| table(page, language),
            )
            .await;
    }
    let Filter { page, limit, .. } = filter;
    let Rows { rows, total } = lines.page::<Rows<StoredError>>(page, limit, None).await?;
    let rows = rows.into_iter().map(|error| error.told(language)).collect();
    Ok(Json(Rows { rows, total }.into_page(PageNumber { page, limit })).into_response())
}

fn head(language: Language) -> String {
    let mut head = String::new();
    let cells = match language {
        Language::English => ["line", "column", "value", "reason"],
        Language::Indonesian => ["baris", "kolom", "isi", "alasan"],
    };
    csv_table::push_line(&mut head, &cells);
    head
}

fn table(page: &Rows<StoredError>, language: Language) -> String {
    let mut table = String::new();
    for error in &page.rows {
        let reason = text_of(&error.code, error.first_line);
        let line = error.line.to_string();
        csv_table::push_line(
            &mut table,
            &[
                line.as_str(),
                &error.field,
                &error.value,
                reason.in_language(language),
            ],
        );
    }
    table
}
