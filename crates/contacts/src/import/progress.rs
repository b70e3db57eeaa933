//! `GET /api/crm/contacts/import`: imports, their progress, and the rows that were not imported.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::ContactImport;
use super::columns::Column;
use super::submission::OnExisting;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{PageNumber, Paged, Rows, default_limit, first_page, page_number, page_size};
use crm_core::permissions::ContactsImport;
use crm_core::routes;
use tables::file_import::failure::FailureReason;
use tables::file_import::row_error::RowErrors;
use tables::table_export::TableFormat;

crm_core::words! {
    /// The state of an import.
    pub(crate) ImportStatus = "importing", "finished", "failed";
}

/// An import of contacts, with its progress.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ImportProgress {
    id: Uuid,
    #[schema(example = "kontak.csv")]
    file_name: String,
    /// The path to give to `POST` after a dry run, to import the same file. The file is kept for a day.
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10/kontak.csv")]
    storage_path: String,
    #[schema(example = "ID")]
    country: String,
    /// The field that each column was mapped to.
    mapping: Vec<Column>,
    on_existing: OnExisting,
    /// Whether this is a dry run: nothing is written, and the counts say what an import would do.
    dry_run: bool,
    /// `importing`, `finished` or `failed`
    #[schema(value_type = ImportStatus)]
    status: String,
    #[serde(flatten)]
    failure: FailureReason,
    progress_percent: f64,
    total_rows: u64,
    read_rows: u64,
    created_count: u64,
    updated_count: u64,
    /// Rows whose contact exists already.
    skipped_count: u64,
    /// Rows that were not imported.
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

/// A page of imports, or one import.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ContactImportAnswer)]
pub(crate) enum ImportAnswer {
    /// Without `id`.
    Page(Paged<ImportProgress>),
    /// With `id`.
    One(Box<ImportProgress>),
}

/// The import to show.
#[derive(Deserialize)]
pub(crate) struct ImportQuery {
    id: Option<Uuid>,
    errors: Option<TableFormat>,
    #[serde(default = "first_page", deserialize_with = "page_number")]
    page: u32,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(list_contact_imports))
}

/// List the imports of contacts.
///
/// The latest import comes first. With `id` the answer is that import. With `id` and `errors` the answer is a file with
/// the rows that were not imported.
#[utoipa::path(
    get, path = "/api/crm/contacts/import", tag = "contacts",
    params(
        ("id" = Option<Uuid>, Query, description = "Only this import"),
        ("errors" = inline(Option<TableFormat>), Query, description = "With `id`: answers with a file of the rows that were not imported"),
        ("page" = Option<u32>, Query, description = "The page to list, from 1", minimum = 1),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, content(
            (ImportAnswer = "application/json"),
            (String = "text/csv"),
            (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )),
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
        return RowErrors::of::<ContactImport>(caller, id).download(format).await;
    }
    let import: Option<ImportProgress> = caller
        .database()
        .rpc("get_contact_import", &json!({ "import_id": id }))
        .await?;
    import
        .map(|import| Json(ImportAnswer::One(Box::new(import))).into_response())
        .ok_or_else(ApiError::not_found)
}
