//! `POST` and `PUT /api/crm/contacts/import`: starts an import, and gives an address for the upload of a large file.

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::ContactImport;
use super::columns::{Chosen, Column, Columns, mapping};
use super::progress::ImportProgress;
use crate::fields::ContactField;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::contract::{Argument, Contract};
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::ContactsImport;
use crm_core::routes;
use crm_core::text::Text;
use tables::country::checked_country;
use tables::file_import::form::Form;
use tables::file_import::{self, ImportAddress, MAX_BODY, NewFile, inspection};
use tables::table_file::Row;

/// A file to import. A form has the part `file` and the same other fields, with `mapping` as JSON.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContactImport {
    /// A CSV file as text.
    file: Option<String>,
    /// The path of a file that was uploaded to an address of `PUT /api/crm/contacts/import`, or that a dry run has
    /// read.
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10/kontak.csv")]
    storage_path: Option<String>,
    #[schema(example = "kontak.csv")]
    file_name: Option<String>,
    /// Fields by the names of columns; null skips a column. Columns that are left out are mapped by their names.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"Kontak WA": "phone_number", "Kota": "custom_fields.city", "Catatan": null}))]
    mapping: Chosen,
    /// How to treat contacts that exist already. An update fills in and adds values, and removes none.
    #[serde(default)]
    on_existing: OnExisting,
    /// Whether to write nothing and only report what an import would do.
    #[serde(default)]
    dry_run: bool,
    /// The country of numbers without a country code, as an ISO 3166 code; `ID` if left out.
    country: Option<String>,
}

/// The treatment of contacts that exist already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OnExistingContact)]
pub(crate) enum OnExisting {
    #[default]
    Update,
    Skip,
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
    responses((status = 201, body = ImportAddress)),
)]
pub(crate) async fn begin_contact_upload(
    permitted: Permitted<ContactsImport>,
    State(app): State<App>,
) -> Result<(StatusCode, Json<ImportAddress>), ApiError> {
    let address = file_import::new_address(&app, &permitted.caller).await?;
    Ok(created(address))
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
    let country = checked_country(options.country.as_deref())?;
    let file = match (bytes, options.storage_path) {
        (Some(bytes), None) => NewFile::in_request(&caller, bytes),
        (None, Some(path)) => NewFile::uploaded(&app, &caller, path).await?,
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
    let (judged, total_rows) = file.inspect(move |first| judge(first, &chosen, &fields)).await?;
    let mapping = judged.map_err(|(field, problem)| ApiError::field(field, problem))?;
    file.store(&app).await?;
    let name = file_import::kept_name(&options.file_name.unwrap_or_default());
    let arguments = json!({ "import": {
        "storage_path": file.path(), "file_name": name, "country": country, "mapping": mapping,
        "total_rows": total_rows, "on_existing": options.on_existing, "dry_run": options.dry_run,
    }});
    let import: ImportProgress = caller.database().rpc("begin_contact_import", &arguments).await?;
    drop(file.read_behind_answer::<ContactImport>(&app, &background, import.id()));
    Ok(created(import))
}

type Judged = Result<Vec<Column>, (String, Text)>;

/// Problems of the mapping are reported for field `mapping`, and problems of the file for the file.
fn judge(first: &Row, chosen: &Chosen, fields: &[ContactField]) -> Result<(Judged, bool), Text> {
    let headers: Vec<String> = first.cells.iter().map(|cell| cell.as_str().to_owned()).collect();
    let columns = match mapping(&headers, chosen, fields) {
        Ok(columns) => columns,
        Err(problem) => return Ok((Err(problem), false)),
    };
    let columns = Columns::new(columns).ok_or_else(inspection::without_numbers)?;
    Ok((Ok(columns.into_mapping()), false))
}

/// An import as it was submitted.
pub(crate) struct Submission {
    options: NewContactImport,
    bytes: Option<Bytes>,
}

impl FromRequest<App> for Submission {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, Self::Rejection> {
        if Form::is_sent_by(&request) {
            return read_form(Form::read(request, &FORM_FIELDS).await?);
        }
        let JsonBody(mut options) = JsonBody::<NewContactImport>::from_request(request, app).await?;
        let bytes = options.file.take().map(Bytes::from);
        Ok(Self { options, bytes })
    }
}

const FORM_FIELDS: [&str; 5] = ["storage_path", "on_existing", "country", "mapping", "dry_run"];

fn read_form(mut form: Form) -> Result<Submission, ApiError> {
    let mut options = json!({});
    for name in FORM_FIELDS {
        let Some(text) = form.take(name) else { continue };
        options[name] = match name {
            "mapping" => serde_json::from_str(&text)
                .map_err(|_| ApiError::field(name, Text::new("must be JSON", "harus berupa JSON")))?,
            "dry_run" => form_boolean(name, &text)?.into(),
            _ => text.into(),
        };
    }
    let bytes = form.file.map(|file| {
        options["file_name"] = file.name.into();
        file.bytes
    });
    let options = crm_core::json_body::from_value(options)?;
    Ok(Submission { options, bytes })
}

/// A boolean in a form. Clients write it as their language does: `true` or `True`.
fn form_boolean(field: &str, text: &str) -> Result<bool, ApiError> {
    match text.trim() {
        word if word.eq_ignore_ascii_case("true") => Ok(true),
        word if word.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(ApiError::field(
            field,
            Text::new("must be true or false", "harus true atau false"),
        )),
    }
}

impl Argument for Submission {
    fn state(contract: &mut Contract) {
        JsonBody::<()>::state(contract);
    }
}

#[cfg(test)]
mod tests {
    use super::form_boolean;

    #[test]
    fn booleans_of_forms_come_in_the_spelling_of_any_language() {
        for (text, value) in [
            ("true", true),
            ("True", true),
            ("FALSE", false),
            (" false ", false),
        ] {
            assert_eq!(form_boolean("dry_run", text).unwrap(), value, "{text}");
        }
        for text in ["", "1", "yes", "tru"] {
            assert_eq!(
                form_boolean("dry_run", text).unwrap_err().code(),
                "invalid_field",
                "{text}"
            );
        }
    }
}
