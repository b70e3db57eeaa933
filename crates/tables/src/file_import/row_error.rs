//! Rows of a file that were not imported, as pages or as a file.

use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::row_problem::text_of;
use super::{FileImport, ImportFunctions};
use crate::table_export::{AuditedQuery, Export, PagedQuery, TableFormat, download};
use crm_core::caller::Caller;
use crm_core::error::ApiError;
use crm_core::paging::{PageNumber, Paged, Rows};
use crm_core::text::Language;

/// The number of rows that one query of a download reads.
const PAGE: u32 = 1000;

/// A problem with one value of a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowError {
    /// The line of the row as an editor or a spreadsheet shows it. For recipients that a request lists, their position,
    /// from 1.
    line: u32,
    /// The column's name in the file. Empty if the whole row is wrong.
    #[schema(example = "phone")]
    column: String,
    #[schema(example = "0812")]
    value: String,
    /// The code of the problem for programs, such as `phone_invalid` or `duplicate`.
    #[schema(example = "phone_invalid")]
    code: String,
    /// The reason for people, in the language of `Accept-Language`.
    #[schema(example = "is not a phone number")]
    reason: String,
}

/// An error as the database stores it.
#[derive(Deserialize)]
struct StoredError {
    line: u32,
    field: String,
    code: String,
    value: String,
    first_line: Option<u32>,
}

impl StoredError {
    fn in_language(&self, language: Language) -> RowError {
        RowError {
            line: self.line,
            column: self.field.clone(),
            value: self.value.clone(),
            code: self.code.clone(),
            reason: text_of(&self.code, self.first_line)
                .in_language(language)
                .to_owned(),
        }
    }
}

/// The errors of one import, in the language of the request.
pub struct RowErrors {
    caller: Caller,
    functions: ImportFunctions,
    id: Uuid,
    language: Language,
}

impl RowErrors {
    /// The errors of the import `id`, for callers who may see it.
    pub fn of<I: FileImport>(caller: Caller, id: Uuid) -> Self {
        Self {
            caller,
            functions: I::FUNCTIONS,
            id,
            language: Language::of_request(),
        }
    }

    /// Reads a page of them. 404 without the import.
    pub async fn page(&self, number: PageNumber) -> Result<Paged<RowError>, ApiError> {
        let Rows { rows, total } = self.read(number, json!({})).await?;
        let rows = rows
            .iter()
            .map(|error| error.in_language(self.language))
            .collect();
        Ok(Rows { rows, total }.into_page(number))
    }

    /// All of them as a file. 404 without the import.
    pub async fn download(self, format: TableFormat) -> Result<Response, ApiError> {
        download(EveryError(self), format, "errors").await
    }

    async fn read(&self, number: PageNumber, behind: Value) -> Result<Rows<StoredError>, ApiError> {
        let mut arguments = behind;
        arguments[self.functions.id] = json!(self.id);
        arguments["page"] = json!(number.page);
        arguments["page_size"] = json!(number.limit);
        let page: Option<Rows<StoredError>> = self
            .caller
            .database()
            .rpc(self.functions.errors, &arguments)
            .await?;
        page.ok_or_else(ApiError::not_found)
    }
}

/// Every error of an import, for a download.
struct EveryError(RowErrors);

impl PagedQuery for EveryError {
    type Page = Rows<StoredError>;
    /// The line and the column of the last error.
    type Cursor = (u32, String);

    async fn page(&self, cursor: Option<(u32, String)>) -> Result<Rows<StoredError>, ApiError> {
        let (line, field) = cursor.unwrap_or_default();
        let behind = json!({ "after_line": line, "after_field": field });
        let number = PageNumber { page: 1, limit: PAGE };
        self.0.read(number, behind).await
    }

    fn next(page: &Rows<StoredError>) -> Option<(u32, String)> {
        let last = page.rows.last()?;
        Some((last.line, last.field.clone()))
    }

    fn columns(&self, _first: &Rows<StoredError>) -> Vec<String> {
        let columns = match self.0.language {
            Language::English => ["line", "column", "value", "reason"],
            Language::Indonesian => ["baris", "kolom", "isi", "alasan"],
        };
        columns.map(str::to_owned).into()
    }

    fn rows(&self, page: &Rows<StoredError>) -> Vec<Vec<String>> {
        page.rows
            .iter()
            .map(|error| {
                let error = error.in_language(self.0.language);
                vec![error.line.to_string(), error.column, error.value, error.reason]
            })
            .collect()
    }
}

impl AuditedQuery for EveryError {
    fn export(&self) -> Export<'_> {
        Export {
            caller: &self.0.caller,
            table: self.0.functions.errors_table,
            of: Some(self.0.id),
            filters: Value::Null,
        }
    }
}
