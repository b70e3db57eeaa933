//! A recipient list as it is submitted: JSON, or a form with a file.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::given_recipient::GivenRecipient;
use super::list_source::ContactFilter;
use super::recipient_list::checked_name;
use crm_core::app::App;
use crm_core::contract::{Argument, Contract};
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::text::Text;
use tables::country::checked_country;
use tables::file_import::form::Form;

/// The treatment of a file in which some rows have errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OnRowError)]
pub(crate) enum OnError {
    /// Keeps the correct rows.
    Keep,
    /// Refuses the whole file.
    Refuse,
}

/// A recipient list to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRecipientList {
    #[schema(example = "Pelanggan Solo")]
    name: String,
    /// The source of the recipients. It may be left out if the other fields show it.
    source: Option<SourceKind>,
    /// 1 to 10,000 phone numbers, or objects with `phone_number`, `name` and `variables`.
    #[schema(max_items = 10000, min_items = 1)]
    recipients: Option<Vec<GivenRecipient>>,
    /// A filter of contacts; all contacts if left out.
    filter: Option<ContactFilter>,
    /// A file that was uploaded to an address of `POST /api/broadcast/recipient-lists/uploads`.
    storage_path: Option<String>,
    /// The name of the uploaded file.
    file_name: Option<String>,
    /// A CSV file as text.
    file: Option<String>,
    /// The treatment of rows with errors; `keep` for files and `refuse` for `recipients` if left out.
    on_error: Option<OnError>,
    /// The country of numbers without a country code, as an ISO 3166 code; `ID` if left out.
    #[schema(example = "ID")]
    country: Option<String>,
}

/// The source of a list's recipients.
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

    /// Accepts the names that other programs use.
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
    /// `contacts` or `crm` selects all contacts; the form then has no file.
    source: Option<String>,
    /// CSV or XLSX, up to 4 MB. Larger files are uploaded to Storage.
    #[schema(value_type = Option<String>, format = Binary)]
    file: Option<Vec<u8>>,
    /// The treatment of rows with errors; `keep` if left out.
    on_error: Option<OnError>,
    country: Option<String>,
}

/// A recipient list to be created. Its fields have been checked, its recipients have not.
pub(crate) struct Submission {
    pub(super) name: String,
    pub(super) people: People,
    pub(super) on_error: Option<OnError>,
    pub(super) country: String,
}

/// The source of the recipients, with its data.
pub(crate) enum People {
    Given(Vec<GivenRecipient>),
    Contacts(ContactFilter),
    File { bytes: Bytes, file_name: String },
    Uploaded { path: String, file_name: String },
}

impl FromRequest<App> for Submission {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, Self::Rejection> {
        if Form::is_sent_by(&request) {
            let names = ["name", "source", "on_error", "country"];
            return read_form(Form::read(request, &names).await?);
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

fn read_form(mut form: Form) -> Result<Submission, ApiError> {
    let required = |field: &str| ApiError::required(field);
    let on_error = match form.take("on_error").as_deref().map(str::trim) {
        None | Some("") => None,
        Some("keep") => Some(OnError::Keep),
        Some("refuse") => Some(OnError::Refuse),
        Some(_) => {
            let problem = Text::new("must be `keep` or `refuse`", "harus `keep` atau `refuse`");
            return Err(ApiError::field("on_error", problem));
        }
    };
    let file = form.file.take().map(|file| People::File {
        bytes: file.bytes,
        file_name: file.name,
    });
    // A form with a file does not need a source.
    let source = form.take("source");
    let contacts = || {
        matches!(source.map(SourceKind::try_from), Some(Ok(SourceKind::Contacts)))
            .then(|| People::Contacts(ContactFilter::default()))
    };
    Ok(Submission {
        name: checked_name(&form.take("name").ok_or_else(|| required("name"))?)?,
        people: file.or_else(contacts).ok_or_else(|| required("file"))?,
        on_error,
        country: checked_country(form.take("country").as_deref())?,
    })
}

impl Argument for Submission {
    fn state(contract: &mut Contract) {
        JsonBody::<()>::state(contract);
    }
}
