//! `POST /api/crm/contacts`.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::contact::Contact;
use super::contact_input::ContactInput;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, created, from_value};
use crm_core::permissions::ContactsCreate;
use crm_core::routes;
use crm_core::text::Text;
use tables::country::checked_country;
use tables::phone_number;

/// A contact to be created.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it only describes the body")]
pub(crate) struct NewContact {
    /// The phone number in any usual form, with a country code or in the national form of `country`.
    #[schema(example = "0812-3456-7890")]
    phone_number: String,
    /// The country of a number without a country code, as an ISO 3166 code; `ID` if left out.
    #[schema(example = "ID")]
    country: Option<String>,
    #[serde(flatten)]
    input: ContactInput,
}

#[derive(Deserialize)]
struct Number {
    phone_number: String,
    country: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    contact: Option<Contact>,
    existing: Option<Uuid>,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(create_contact))
}

/// Create a contact.
///
/// The phone number may be written in any usual form. If the number already belongs to a contact, the answer is
/// `contact_exists`, and `fields.id` is the id of that contact if the caller may see it. Callers without
/// `contacts.view` see the new contact again once it has a conversation.
#[utoipa::path(
    post, path = "/api/crm/contacts", tag = "contacts",
    request_body(content = NewContact, example = json!({"phone_number": "0812-3456-7890", "name": "Sari", "tags": ["grosir"]})),
    responses((status = 201, body = Contact), (status = 409, description = "contact_exists")),
)]
pub(crate) async fn create_contact(
    permitted: Permitted<ContactsCreate>,
    JsonBody(mut body): JsonBody<Map<String, Value>>,
) -> Result<(StatusCode, Json<Contact>), ApiError> {
    let mut number = Map::new();
    for name in ["phone_number", "country"] {
        number.extend(body.remove(name).map(|value| (name.to_owned(), value)));
    }
    let number: Number = from_value(Value::Object(number))?;
    let country = checked_country(number.country.as_deref())?;
    let wa_id = phone_number::read(&number.phone_number, &country)
        .map_err(|problem| ApiError::field("phone_number", problem.text()))?;
    let input: ContactInput = from_value(Value::Object(body))?;
    let mut contact = json!(input.checked()?);
    contact["wa_id"] = wa_id.into();
    let answer: Answer = permitted
        .caller
        .database()
        .rpc("create_contact", &json!({ "contact": contact }))
        .await?;
    answer.contact.map(created).ok_or_else(|| exists(answer.existing))
}

fn exists(id: Option<Uuid>) -> ApiError {
    let error = ApiError::new(
        StatusCode::CONFLICT,
        "contact_exists",
        Text::new(
            "There is a contact with this number already.",
            "Sudah ada kontak dengan nomor ini.",
        ),
    );
    match id {
        Some(id) => error.with_field("id", Text::new(id.to_string(), id.to_string())),
        None => error,
    }
}
