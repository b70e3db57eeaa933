//! The values that clients give a contact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::error::ApiError;
use crm_core::field_rules::{email, optional_text, required_text};
use crm_core::json_body::nullable;
use crm_core::text::Text;

pub(super) const MAX_NAME: usize = 200;
pub(super) const MAX_EMAIL: usize = 254;
pub(super) const MAX_TAG: usize = 50;
pub(super) const MAX_TAGS: usize = 50;
const MAX_LABELS: usize = 100;

/// Values for a contact. Fields that are left out stay as they are.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactInput {
    /// Null removes it.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>, example = "Sari Dewi")]
    name: Option<Option<String>>,
    /// The e-mail address. Null removes it.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>, example = "sari@example.com")]
    email: Option<Option<String>>,
    /// The language, as in `id` or `en_US`. Null removes it.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>, example = "id")]
    language: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 50, example = json!(["grosir"]))]
    tags: Option<Vec<String>>,
    /// By key. Null removes a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"city": "Solo"}))]
    custom_fields: Option<BTreeMap<String, Value>>,
    /// The person responsible. Null removes the owner.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Uuid>)]
    owner_id: Option<Option<Uuid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_ids: Option<Vec<Uuid>>,
}

impl ContactInput {
    /// The input as the database expects it. Only the database knows the organisation's custom fields, people and
    /// labels.
    pub(super) fn checked(mut self) -> Result<Self, ApiError> {
        if let Some(Some(name)) = &mut self.name {
            *name = optional_text("name", name, MAX_NAME)?;
        }
        if let Some(Some(address)) = &mut self.email
            && !address.trim().is_empty()
        {
            *address = checked_email("email", address)?;
        }
        if let Some(Some(language)) = &mut self.language {
            *language = checked_language("language", language)?;
        }
        if let Some(tags) = &mut self.tags {
            *tags = checked_tags("tags", tags)?;
        }
        if self
            .label_ids
            .as_ref()
            .is_some_and(|labels| labels.len() > MAX_LABELS)
        {
            return Err(too_many("label_ids", MAX_LABELS));
        }
        if let Some(fields) = &mut self.custom_fields {
            for (key, value) in fields {
                if let Value::String(text) = value {
                    *text = optional_text(&format!("custom_fields.{key}"), text, 1000)?;
                    if text.is_empty() {
                        *value = Value::Null;
                    }
                }
            }
        }
        Ok(self)
    }
}

pub(super) fn checked_email(field: &str, address: &str) -> Result<String, ApiError> {
    let address = email(field, address)?;
    if address.len() > MAX_EMAIL {
        let problem = Text::new(
            "must not exceed 254 characters",
            "tidak boleh lebih dari 254 karakter",
        );
        return Err(ApiError::field(field, problem));
    }
    Ok(address)
}

/// Trims tags and checks them.
pub(super) fn checked_tags(field: &str, tags: &[String]) -> Result<Vec<String>, ApiError> {
    if tags.len() > MAX_TAGS {
        return Err(too_many(field, MAX_TAGS));
    }
    let checked = tags
        .iter()
        .enumerate()
        .map(|(place, tag)| required_text(&format!("{field}[{place}]"), tag, MAX_TAG));
    checked.collect()
}

/// Checks a language code in WhatsApp's form: `id`, `en`, `pt_BR`.
pub(super) fn checked_language(field: &str, code: &str) -> Result<String, ApiError> {
    let code = code.trim().replace('-', "_");
    let (language, country) = code.split_once('_').unwrap_or((&code, ""));
    let fits = (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_alphabetic())
        && (code.len() == language.len()
            || (country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic())));
    if !fits {
        let problem = Text::new(
            "must be a language code such as id or en_US",
            "harus berupa kode bahasa, misalnya id atau en_US",
        );
        return Err(ApiError::field(field, problem));
    }
    let language = language.to_ascii_lowercase();
    Ok(if country.is_empty() {
        language
    } else {
        format!("{language}_{}", country.to_ascii_uppercase())
    })
}

pub(super) fn too_many(field: &str, most: usize) -> ApiError {
    ApiError::field(
        field,
        Text::new(
            format!("must not have more than {most} entries"),
            format!("tidak boleh berisi lebih dari {most} butir"),
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(input: Value) -> Result<Value, ApiError> {
        let input: ContactInput = crm_core::json_body::from_value(input)?;
        Ok(serde_json::to_value(input.checked()?).unwrap())
    }

    #[test]
    fn an_absent_field_is_kept_and_null_is_passed_on() {
        assert_eq!(checked(json!({})).unwrap(), json!({}));
        let input = json!({"name": null, "email": " Sari@Kopi.test ", "language": "PT-br", "custom_fields": {"a": " ", "b": 1}});
        assert_eq!(
            checked(input).unwrap(),
            json!({"name": null, "email": "sari@kopi.test", "language": "pt_BR", "custom_fields": {"a": null, "b": 1}})
        );
    }

    #[test]
    fn wrong_fields_are_named() {
        for wrong in [
            json!({"language": "indonesian"}),
            json!({"language": "id_"}),
            json!({"email": "sari"}),
            json!({"tags": [""]}),
            json!({"tags": vec!["x"; 51]}),
            json!({"owner_id": "me"}),
            json!({"nickname": "x"}),
        ] {
            assert!(checked(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
