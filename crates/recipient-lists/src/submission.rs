//! What makes a list: JSON, or a form with a file.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whatsapp::phone;

use super::given_recipient::GivenRecipient;
use super::list_source::ContactFilter;
use super::recipient_list::checked_name;
use crm_core::app::App;
use crm_core::contract::{Argument, Contract};
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::text::Text;
use tables::phone_number::DEFAULT_COUNTRY;

/// What becomes of the good rows when there are bad ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OnRowError)]
pub(crate) enum OnError {
    /// The good rows are the list.
    Keep,
    /// The list has no rows at all.
    Refuse,
}

/// A list to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRecipientList {
    #[schema(example = "Pelanggan Solo")]
    name: String,
    /// May be left out where what is given says it.
    source: Option<SourceKind>,
    /// 1 to 10,000 phone numbers, or objects with `phone_number`, `name` and `variables`.
    #[schema(max_items = 10000, min_items = 1)]
    recipients: Option<Vec<GivenRecipient>>,
    /// Which contacts; all of them if left out.
    filter: Option<ContactFilter>,
    /// A file that was uploaded to an address of `POST /api/broadcast/recipient-lists/uploads`.
    storage_path: Option<String>,
    /// How the uploaded file is called.
    file_name: Option<String>,
    /// A CSV file as text.
    file: Option<String>,
    /// By default `keep` for files and `refuse` for `recipients`.
    on_error: Option<OnError>,
    /// Where numbers without a country code are from: an ISO 3166 code, by default `ID`.
    #[schema(example = "ID")]
    country: Option<String>,
}

/// Where a list's people come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", try_from = "String")]
#[schema(as = RecipientListSourceKind)]
enum SourceKind {
    File,
    Manual,
    Contacts,
}

impl TryFrom<String> for SourceKind {
    type Error = &'static str;

    /// By the names people know them by.
    fn try_from(word: String) -> Result<Self, Self::Error> {
        match word.trim().to_lowercase().replace([' ', '-'], "_").as_str() {
            "file" | "upload" | "import" | "csv" | "excel" | "xlsx" | "import_csv" | "import_excel" => {
                Ok(Self::File)
            }
            "manual" => Ok(Self::Manual),
            "contacts" | "crm" | "crm_contacts" => Ok(Self::Contacts),
            _ => Err("must be file, csv, excel, manual, contacts or crm"),
        }
    }
}

/// A form with a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes the form")]
pub(crate) struct NewRecipientListForm {
    #[schema(example = "Pelanggan Solo")]
    name: String,
    /// `contacts` or `crm`: all contacts, without a file.
    source: Option<String>,
    /// CSV or XLSX, up to 4 MB; larger ones are uploaded to Storage.
    #[schema(value_type = Option<String>, format = Binary)]
    file: Option<Vec<u8>>,
    /// `keep` by default.
    on_error: Option<OnError>,
    country: Option<String>,
}

/// A list to make, checked as far as can be told without looking at the people.
pub(crate) struct Submission {
    pub(super) name: String,
    pub(super) people: People,
    pub(super) on_error: Option<OnError>,
    pub(super) country: String,
}

/// Who shall be on the list.
pub(crate) enum People {
    Given(Vec<GivenRecipient>),
    Contacts(ContactFilter),
    File { bytes: Bytes, file_name: String },
    Uploaded { path: String, file_name: String },
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
        let JsonBody(list) = JsonBody::<NewRecipientList>::from_request(request, app).await?;
        read_json(list)
    }
}

fn read_json(list: NewRecipientList) -> Result<Submission, ApiError> {
    let file_name = list.file_name.unwrap_or_default();
    let mut given = Vec::new();
    given.extend(
        list.recipients
            .map(|recipients| (SourceKind::Manual, People::Given(recipients))),
    );
    given.extend(
        list.filter
            .map(|filter| (SourceKind::Contacts, People::Contacts(filter))),
    );
    given.extend(list.file.map(|text| {
        let (bytes, file_name) = (Bytes::from(text), file_name.clone());
        (SourceKind::File, People::File { bytes, file_name })
    }));
    given.extend(
        list.storage_path
            .map(|path| (SourceKind::File, People::Uploaded { path, file_name })),
    );
    if given.is_empty() && list.source == Some(SourceKind::Contacts) {
        given.push((SourceKind::Contacts, People::Contacts(ContactFilter::default())));
    }
    let name = checked_name(&list.name)?;
    let Some((kind, people)) = given.pop() else {
        return Err(ApiError::required(match list.source {
            Some(SourceKind::File) => "file",
            Some(SourceKind::Manual) => "recipients",
            Some(SourceKind::Contacts) | None => "source",
        }));
    };
    if !given.is_empty() || list.source.is_some_and(|source| source != kind) {
        let problem = Text::new(
            "give one source of people and no other",
            "berikan satu sumber penerima saja",
        );
        return Err(ApiError::field("source", problem));
    }
    Ok(Submission {
        name,
        people,
        on_error: list.on_error,
        country: checked_country(list.country.as_deref())?,
    })
}

async fn read_form(mut form: Multipart) -> Result<Submission, ApiError> {
    let (mut name, mut source, mut file, mut on_error, mut country) = (None, None, None, None, None);
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        match field.name().unwrap_or_default() {
            "file" => {
                let file_name = field.file_name().unwrap_or_default().to_owned();
                let bytes = field.bytes().await.map_err(|error| broken(&error))?;
                file = Some(People::File { bytes, file_name });
            }
            "name" => name = Some(text(field).await?),
            "source" => source = Some(text(field).await?),
            "on_error" => on_error = Some(text(field).await?),
            "country" => country = Some(text(field).await?),
            _ => {}
        }
    }
    let required = |field: &str| ApiError::required(field);
    let on_error = match on_error.as_deref().map(str::trim) {
        None | Some("") => None,
        Some("keep") => Some(OnError::Keep),
        Some("refuse") => Some(OnError::Refuse),
        Some(_) => {
            let problem = Text::new("must be `keep` or `refuse`", "harus `keep` atau `refuse`");
            return Err(ApiError::field("on_error", problem));
        }
    };
    // Beside a file it says nothing more.
    let contacts = || {
        matches!(source.map(SourceKind::try_from), Some(Ok(SourceKind::Contacts)))
            .then(|| People::Contacts(ContactFilter::default()))
    };
    Ok(Submission {
        name: checked_name(&name.ok_or_else(|| required("name"))?)?,
        people: file.or_else(contacts).ok_or_else(|| required("file"))?,
        on_error,
        country: checked_country(country.as_deref())?,
    })
}

async fn text(field: Field<'_>) -> Result<String, ApiError> {
    field.text().await.map_err(|error| broken(&error))
}

fn checked_country(code: Option<&str>) -> Result<String, ApiError> {
    let code = code.map(str::trim).filter(|code| !code.is_empty());
    let code = code.unwrap_or(DEFAULT_COUNTRY).to_ascii_uppercase();
    // Whoever reads numbers knows the codes: a number that is right everywhere shows whether this is one.
    if phone::wa_id("+6281234567890", &code).is_ok() {
        return Ok(code);
    }
    let problem = Text::new(
        "must be a country code such as ID",
        "harus berupa kode negara, misalnya ID",
    );
    Err(ApiError::field("country", problem))
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
