//! `GET` and `POST /api/crm/fields`: the custom fields of contacts.

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::contact_input::too_many;
use super::export::COLUMNS;
use crm_core::caller::{AnyOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::required_text;
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::{ContactsManageFields, ContactsView, ConversationsView};
use crm_core::routes;
use crm_core::text::Text;

const MAX_NAME: usize = 100;
const MAX_CHOICES: usize = 100;
/// Properties of contacts that are not columns of their files.
const OTHER_PROPERTIES: [&str; 4] = ["id", "wa_id", "user_id", "username"];

/// A custom field of contacts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ContactField {
    id: Uuid,
    /// The key under which values are stored. It never changes.
    #[schema(example = "city")]
    pub(super) key: String,
    #[schema(example = "City")]
    pub(super) name: String,
    r#type: FieldType,
    /// The choices of a `choice` field.
    #[schema(example = json!([]))]
    choices: Vec<String>,
    /// The position in the order in which fields are shown.
    position: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FieldType {
    /// Up to 1000 characters.
    Text,
    Number,
    Boolean,
    /// `2026-02-17`
    Date,
    Choice,
}

/// A custom field to be created.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContactField {
    /// Lower-case letters, digits and `_`, up to 40; not the name of a property that every contact has, such as
    /// `email`.
    #[schema(example = "city")]
    key: String,
    #[schema(example = "City")]
    name: String,
    r#type: FieldType,
    /// The choices of a `choice` field: 1 to 100.
    #[serde(default)]
    choices: Vec<String>,
    #[serde(default)]
    position: i32,
}

/// `/api/crm/fields`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_contact_fields, create_contact_field))
}

/// List the custom fields of contacts.
///
/// The fields come in the order in which they are shown.
#[utoipa::path(get, path = "/api/crm/fields", tag = "contacts", responses((status = 200, body = Vec<ContactField>)))]
pub(crate) async fn list_contact_fields(
    permitted: Permitted<AnyOf<(ContactsView, ConversationsView)>>,
) -> Result<Json<Vec<ContactField>>, ApiError> {
    let fields = permitted
        .caller
        .database()
        .rpc("list_contact_fields", &json!({}))
        .await?;
    Ok(Json(fields))
}

/// Create a custom field.
///
/// An organisation can have up to 100 fields. The key of a field never changes.
#[utoipa::path(
    post, path = "/api/crm/fields", tag = "contacts",
    request_body(content = NewContactField, example = json!({"key": "tier", "name": "Tier", "type": "choice", "choices": ["gold", "silver"]})),
    responses((status = 201, body = ContactField), (status = 409, description = "name_taken, too_many_fields")),
)]
pub(crate) async fn create_contact_field(
    permitted: Permitted<ContactsManageFields>,
    JsonBody(mut field): JsonBody<NewContactField>,
) -> Result<(StatusCode, Json<ContactField>), ApiError> {
    check_key(&field.key)?;
    field.name = required_text("name", &field.name, MAX_NAME)?;
    field.choices = checked_choices(&field.choices)?;
    if (field.r#type == FieldType::Choice) == field.choices.is_empty() {
        return Err(ApiError::field(
            "choices",
            Text::new(
                "belong to a choice, and every choice needs some",
                "hanya untuk pilihan, dan setiap pilihan membutuhkannya",
            ),
        ));
    }
    let field = permitted
        .caller
        .database()
        .rpc("create_contact_field", &json!({ "field": field }))
        .await?;
    Ok(created(field))
}

fn check_key(key: &str) -> Result<(), ApiError> {
    let fits = (1..=40).contains(&key.len())
        && key.starts_with(|first: char| first.is_ascii_lowercase())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    // Files could not distinguish two columns with the same name.
    if fits && (COLUMNS.contains(&key) || OTHER_PROPERTIES.contains(&key)) {
        return Err(ApiError::field(
            "key",
            Text::new(
                "is what every contact has already",
                "sudah dimiliki setiap kontak",
            ),
        ));
    }
    if fits {
        return Ok(());
    }
    Err(ApiError::field(
        "key",
        Text::new(
            "must begin with a lower-case letter and have up to 40 lower-case letters, digits and _",
            "harus diawali huruf kecil dan terdiri dari paling banyak 40 huruf kecil, angka, dan _",
        ),
    ))
}

pub(super) fn checked_name(name: &str) -> Result<String, ApiError> {
    required_text("name", name, MAX_NAME)
}

/// Checks choices, and removes duplicates.
pub(super) fn checked_choices(choices: &[String]) -> Result<Vec<String>, ApiError> {
    if choices.len() > MAX_CHOICES {
        return Err(too_many("choices", MAX_CHOICES));
    }
    let mut checked: Vec<String> = Vec::new();
    for (place, choice) in choices.iter().enumerate() {
        let choice = required_text(&format!("choices[{place}]"), choice, MAX_NAME)?;
        if !checked.contains(&choice) {
            checked.push(choice);
        }
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_words_other_than_columns_of_every_contact() {
        for key in ["kota", "a", "a_1", "email_2"] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        for key in [
            "",
            "Kota",
            "1a",
            "a-b",
            "email",
            "phone_number",
            "name",
            &"a".repeat(41),
        ] {
            assert!(check_key(key).is_err(), "{key}");
        }
    }
}
