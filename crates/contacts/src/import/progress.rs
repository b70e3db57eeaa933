//! `GET /api/crm/contacts/import`: imports, how far one is, and what was wrong with its rows.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::columns::Column;
use super::submission::OnExisting;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::ContactsImport;
use crm_core::routes;
use crm_core::text::Language;
use tables::file_import::row_problem::text_of;
use tables::table_export::{TableExport, TableFormat, download};

/// Rows of one call to the database.
const PAGE: u32 = 1000;

crm_core::words! {
    /// The state of an import.
    pub(crate) ImportStatus = "importing", "finished", "failed";
    /// Why an import failed.
    pub(crate) ImportFailure = "file_unreadable", "gave_up";
}

/// An import of contacts, and how far it is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ImportProgress {
    id: Uuid,
    #[schema(example = "kontak.csv")]
    file_name: String,
    /// Of a dry run: to be given to `POST`, to import the same file. It stays for a day.
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10/kontak.csv")]
    storage_path: String,
    #[schema(example = "ID")]
    country: String,
    /// What each column was taken for.
    mapping: Vec<Column>,
    on_existing: OnExisting,
    /// Nothing is written: the counts are what would be.
    dry_run: bool,
    /// `importing`, `finished` or `failed`
    #[schema(value_type = ImportStatus)]
    status: String,
    /// `file_unreadable` or `gave_up`
    #[schema(value_type = Option<ImportFailure>)]
    status_reason: Option<String>,
    progress_percent: f64,
    total_rows: u64,
    read_rows: u64,
    created_count: u64,
    updated_count: u64,
    /// Rows whose contact is there already.
    skipped_count: u64,
    /// Rows that were not taken.
    error_count: u64,
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl ImportProgress {
    pub(super) fn id(&self) -> Uuid {
        self.id
    }
}

/// Which import, and what of it.
#[derive(Deserialize)]
pub(crate) struct ImportQuery {
    id: Option<Uuid>,
    errors: Option<TableFormat>,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

#[derive(Deserialize)]
struct StoredError {
    line: u32,
    field: String,
    code: String,
    value: String,
    first_line: Option<u32>,
}

/// The answer of the list: a page of imports, or with `id` the one import.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ContactImportAnswer)]
enum ImportAnswer {
    Page(Paged<ImportProgress>),
    Import(Box<ImportProgress>),
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(list_contact_imports))
}

/// List the imports of contacts.
///
/// The latest import comes first. With `id` the answer is that import alone. With `id` and `errors` the answer is a file
/// with the rows that were not imported.
#[utoipa::path(
    get, path = "/api/crm/contacts/import", tag = "contacts",
    params(
        ("id" = Option<Uuid>, Query, description = "Only this import"),
        ("errors" = inline(Option<TableFormat>), Query, description = "With `id`: answers with a file of the rows that were not imported"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, content((ImportAnswer = "application/json"), (String = "text/csv"))),
        (status = 404, description = "not_found"),
    ),
)]
pub(crate) async fn list_contact_imports(
    permitted: Permitted<ContactsImport>,
    QueryParameters(query): QueryParameters<ImportQuery>,
) -> Result<Response, ApiError> {
    let caller = permitted.caller;
    let ImportQuery { page, limit, .. } = query;
    let Some(id) = query.id else {
        let arguments = json!({ "page": page, "page_size": limit });
        let imports: Rows<ImportProgress> = caller.database().rpc("list_contact_imports", &arguments).await?;
        let page = imports.into_page(PageNumber { page, limit });
        return Ok(Json(ImportAnswer::Page(page)).into_response());
    };
    if let Some(format) = query.errors {
        return errors(caller, id, format).await;
    }
    let import: Option<ImportProgress> = caller
        .database()
        .rpc("get_contact_import", &json!({ "import_id": id }))
        .await?;
    import
        .map(|import| Json(ImportAnswer::Import(Box::new(import))).into_response())
        .ok_or_else(ApiError::not_found)
}

async fn errors(caller: Caller, id: Uuid, format: TableFormat) -> Result<Response, ApiError> {
    let language = Language::of_request();
    let columns = match language {
        Language::English => ["line", "column", "value", "reason"],
        Language::Indonesian => ["baris", "kolom", "isi", "alasan"],
    };
    let table = TableExport::new(format, &columns).map_err(|error| ApiError::internal(error.to_string()))?;
    // The first page is read before the answer begins, so that what is wrong is told as an error.
    let first = error_page(&caller, id, (0, String::new())).await?;
    let rows = stream::unfold(Some((caller, first)), move |state| async move {
        let (caller, page) = state?;
        let last = page.last()?;
        let place = (last.line, last.field.clone());
        let rows = page.iter().map(|error| told(error, language)).collect();
        match error_page(&caller, id, place).await {
            Ok(next) => Some((Ok(rows), Some((caller, next)))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(download(format, "errors", table, rows))
}

async fn error_page(caller: &Caller, id: Uuid, behind: (u32, String)) -> Result<Vec<StoredError>, ApiError> {
    let arguments = json!({
        "import_id": id, "page": 1, "page_size": PAGE, "after_line": behind.0, "after_field": behind.1,
    });
    let page: Option<Rows<StoredError>> = caller
        .database()
        .rpc("list_contact_import_errors", &arguments)
        .await?;
    page.map(|page| page.rows).ok_or_else(ApiError::not_found)
}

fn told(error: &StoredError, language: Language) -> Vec<String> {
    let reason = text_of(&error.code, error.first_line);
    vec![
        error.line.to_string(),
        error.field.clone(),
        error.value.clone(),
        reason.in_language(language).to_owned(),
    ]
}
