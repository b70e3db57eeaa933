//! `POST` and `PUT /api/crm/contacts/import`: a file to import, and where to put a large one.

use std::time::Duration;

use axum::Json;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::{StatusCode, header};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use supabase::StorageError;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::ContactImport;
use super::columns::{Chosen, Column, Columns, mapping};
use super::progress::ImportProgress;
use crate::fields::ContactField;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::contract::{Argument, Contract};
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::ContactsImport;
use crm_core::routes;
use crm_core::text::Text;
use tables::file_import::file::{self, FetchError};
use tables::file_import::{self, inspection};
use tables::phone_number::{self, DEFAULT_COUNTRY};
use tables::table_file::Row;

/// As much as Vercel lets through.
const MAX_BODY: usize = 4_500_000;
/// How long a file is read behind the answer: the function's limit in `vercel.json` leaves what is on its way the time to
/// end, and cron goes on.
const READING_TIME: Duration = Duration::from_secs(40);
const MAX_FILE_NAME: usize = 200;

/// A file to import. As a form: `file` with the same further fields, `mapping` as JSON.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContactImport {
    /// A CSV file as text.
    file: Option<String>,
    /// A file that was uploaded to an address of `PUT /api/crm/contacts/import`, or that a dry run has read.
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10/kontak.csv")]
    storage_path: Option<String>,
    #[schema(example = "kontak.csv")]
    file_name: Option<String>,
    /// Fields by the names of columns; null leaves one out. Columns that are not named go by what they are called.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"Kontak WA": "phone_number", "Kota": "custom_fields.city", "Catatan": null}))]
    mapping: Chosen,
    /// What becomes of contacts that are there already. An update fills in and adds; it takes nothing away.
    #[serde(default)]
    on_existing: OnExisting,
    /// Only tells what would be.
    #[serde(default)]
    dry_run: bool,
    /// Where numbers without a country code are from: an ISO 3166 code, by default `ID`.
    country: Option<String>,
}

/// What becomes of contacts that are there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OnExistingContact)]
pub(crate) enum OnExisting {
    #[default]
    Update,
    Skip,
}

/// Where a file can be put.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactUpload {
    /// Takes the file by `PUT`, once, without further credentials, for two hours: up to 10 MB.
    #[schema(
        format = "uri",
        example = "https://project.supabase.co/storage/v1/object/upload/sign/imports/kontak.csv?token=..."
    )]
    upload_url: String,
    /// To be given to `POST /api/crm/contacts/import` when the file is there.
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10/kontak.csv")]
    storage_path: String,
}

pub(super) fn router() -> Routes {
    Routes::new()
        .routes(routes!(begin_contact_import, begin_contact_upload))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Get an address to upload a contact file to.
///
/// Use it for files that are larger than a request may be (4.5 MB). `PUT` the file to `upload_url`, then start the
/// import with `storage_path`.
#[utoipa::path(
    put, path = "/api/crm/contacts/import", tag = "contacts",
    responses((status = 201, body = ContactUpload)),
)]
pub(crate) async fn begin_contact_upload(
    permitted: Permitted<ContactsImport>,
    State(app): State<App>,
) -> Result<(StatusCode, Json<ContactUpload>), ApiError> {
    let storage_path = file::new_path(permitted.caller.access.tenant.id);
    let upload_url = file::sign_upload(&app, &storage_path)
        .await
        .map_err(|error| match error {
            StorageError::Unavailable(source) => ApiError::unavailable(source.to_string()),
            other => ApiError::internal(other.to_string()),
        })?;
    Ok(created(ContactUpload {
        upload_url,
        storage_path,
    }))
}

/// Import contacts from a file.
///
/// The file is CSV or XLSX with up to 10 MB and 200,000 rows; its first row names the columns. The import continues
/// after the answer, and `GET /api/crm/contacts/import` reports its progress. With `dry_run` nothing is written and the
/// counts say what an import would do.
#[utoipa::path(
    post, path = "/api/crm/contacts/import", tag = "contacts",
    request_body(content((NewContactImport = "application/json"), (NewContactImport = "multipart/form-data"))),
    responses((status = 201, body = ImportProgress), (status = 409, description = "file_in_use")),
)]
pub(crate) async fn begin_contact_import(
    permitted: Permitted<ContactsImport>,
    State(app): State<App>,
    background: Background,
    submission: Submission,
) -> Result<(StatusCode, Json<ImportProgress>), ApiError> {
    let caller = permitted.caller;
    let Submission { options, bytes } = submission;
    let country = options.country.as_deref().map_or(DEFAULT_COUNTRY, str::trim);
    let country = checked_country(country)?;
    let (path, bytes, field, is_stored) = match (bytes, &options.storage_path) {
        (Some(bytes), None) => (file::new_path(caller.access.tenant.id), bytes, "file", false),
        (None, Some(path)) => (
            path.clone(),
            fetch(&caller, &app, path).await?,
            "storage_path",
            true,
        ),
        _ => {
            let problem = Text::new(
                "give either a file or a `storage_path`",
                "berikan berkas atau `storage_path`, salah satu saja",
            );
            return Err(ApiError::field("file", problem));
        }
    };
    let fields: Vec<ContactField> = caller.database().rpc("list_contact_fields", &json!({})).await?;
    let chosen = options.mapping;
    let (judged, total_rows) =
        inspection::inspect(bytes.clone(), field, move |first| judge(first, &chosen, &fields)).await?;
    let mapping = judged.map_err(|(field, problem)| ApiError::field(field, problem))?;
    if !is_stored {
        let stored = file::store(&app, &path, bytes.clone()).await;
        stored.map_err(|error| ApiError::unavailable(error.to_string()))?;
    }
    let name = options.file_name.unwrap_or_default();
    let name: String = name
        .chars()
        .filter(|character| !character.is_control())
        .take(MAX_FILE_NAME)
        .collect();
    let arguments = json!({ "import": {
        "storage_path": path, "file_name": name, "country": country, "mapping": mapping, "total_rows": total_rows,
        "on_existing": options.on_existing, "dry_run": options.dry_run,
    }});
    let import: ImportProgress = caller.database().rpc("begin_contact_import", &arguments).await?;
    let id = import.id();
    background.run(async move {
        let deadline = Instant::now() + READING_TIME;
        let run = file_import::run::<ContactImport>(&app, Some(id), Some(bytes), deadline);
        if let Err(error) = run.await {
            log::warn!("the import {id} goes on later: {}", error.source_text());
        }
    });
    Ok(created(import))
}

type Judged = Result<Vec<Column>, (String, Text)>;

/// What is wrong with the mapping is told of the mapping, and what is wrong with the file of the file.
fn judge(first: &Row, chosen: &Chosen, fields: &[ContactField]) -> Result<(Judged, bool), Text> {
    let headers: Vec<String> = first.cells.iter().map(|cell| cell.as_str().to_owned()).collect();
    let columns = match mapping(&headers, chosen, fields) {
        Ok(columns) => columns,
        Err(problem) => return Ok((Err(problem), false)),
    };
    let columns = Columns::new(columns).ok_or_else(inspection::without_numbers)?;
    Ok((Ok(columns.into_mapping()), false))
}

/// A file that was uploaded to an address of ours. One of another tenant is as if it were not there.
async fn fetch(caller: &Caller, app: &App, path: &str) -> Result<Bytes, ApiError> {
    let refused = |problem: Text| ApiError::field("storage_path", problem);
    let missing = || refused(Text::new("there is no such file", "tidak ada berkas seperti itu"));
    if !file::is_path_of(caller.access.tenant.id, path) {
        return Err(missing());
    }
    file::fetch(app, path).await.map_err(|error| match error {
        FetchError::Missing => missing(),
        FetchError::TooLarge => refused(inspection::too_long()),
        FetchError::Unavailable(source) => ApiError::unavailable(source),
    })
}

fn checked_country(code: &str) -> Result<String, ApiError> {
    let code = code.to_ascii_uppercase();
    // Whoever reads numbers knows the codes: a number that is right everywhere shows whether this is one.
    if phone_number::read("+6281234567890", &code).is_ok() {
        return Ok(code);
    }
    let problem = Text::new(
        "must be a country code such as ID",
        "harus berupa kode negara, misalnya ID",
    );
    Err(ApiError::field("country", problem))
}

/// What is to be imported, as it came.
pub(crate) struct Submission {
    options: NewContactImport,
    bytes: Option<Bytes>,
}

impl FromRequest<App> for Submission {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, Self::Rejection> {
        let content_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        if content_type.is_some_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data")) {
            let form = Multipart::from_request(request, app)
                .await
                .map_err(|_| unreadable(StatusCode::BAD_REQUEST))?;
            return read_form(form).await;
        }
        let JsonBody(mut options) = JsonBody::<NewContactImport>::from_request(request, app).await?;
        let bytes = options.file.take().map(Bytes::from);
        Ok(Self { options, bytes })
    }
}

async fn read_form(mut form: Multipart) -> Result<Submission, ApiError> {
    let (mut bytes, mut options) = (None, json!({}));
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "file" => {
                options["file_name"] = field.file_name().unwrap_or_default().into();
                bytes = Some(field.bytes().await.map_err(|error| broken(&error))?);
            }
            "storage_path" | "on_existing" | "country" => options[name] = text(field).await?.into(),
            "mapping" | "dry_run" => {
                let value = text(field).await?;
                options[&name] = serde_json::from_str(&value)
                    .map_err(|_| ApiError::field(&*name, Text::new("must be JSON", "harus berupa JSON")))?;
            }
            _ => {}
        }
    }
    let options = crm_core::json_body::from_value(options)?;
    Ok(Submission { options, bytes })
}

async fn text(field: Field<'_>) -> Result<String, ApiError> {
    field.text().await.map_err(|error| broken(&error))
}

fn broken(error: &MultipartError) -> ApiError {
    unreadable(error.status())
}

fn unreadable(status: StatusCode) -> ApiError {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::too_large();
    }
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "unreadable_body",
        Text::new("The form cannot be read.", "Formulir tidak dapat dibaca."),
    )
}

impl Argument for Submission {
    fn state(contract: &mut Contract) {
        JsonBody::<()>::state(contract);
    }
}
