//! Filters that select contacts, from a query or a body.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::text::Text;

const MAX_SEARCH: usize = 200;

/// A filter of contacts. A contact must meet all of its conditions.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactFilter {
    /// Words of names, e-mail addresses and tags, or a part of a phone number in any form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) search: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) label_id: Option<Uuid>,
    /// The segment; it needs `segments.view`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) segment_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "grosir")]
    pub(super) tag: Option<String>,
    /// `me`, `none`, or the id of a person
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) opted_out: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blocked: Option<bool>,
    /// Values by the keys of the custom fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) fields: Option<Map<String, Value>>,
}

impl ContactFilter {
    /// The filter as the database expects it.
    pub(super) fn checked(mut self) -> Result<Self, ApiError> {
        if let Some(search) = &mut self.search {
            *search = optional_text("search", search, MAX_SEARCH)?;
        }
        if let Some(owner) = &self.owner
            && owner != "me"
            && owner != "none"
            && Uuid::parse_str(owner).is_err()
        {
            let problem = Text::new(
                "must be `me`, `none` or the id of a person",
                "harus `me`, `none`, atau id seseorang",
            );
            return Err(ApiError::field("owner", problem));
        }
        Ok(self)
    }

    /// Adds the condition of a query on a custom field: `key:value`. The type of the field decides how the value is
    /// read.
    pub(super) fn with_field(mut self, field: Option<&str>) -> Result<Self, ApiError> {
        let Some(field) = field else { return Ok(self) };
        let Some((key, value)) = field.split_once(':') else {
            let problem = Text::new("must be like `city:Solo`", "harus seperti `city:Solo`");
            return Err(ApiError::field("field", problem));
        };
        let known = self.fields.get_or_insert_default();
        known.insert(key.to_owned(), value_of(value));
        Ok(self)
    }
}

/// Reads `true`, `false`, numbers and quoted text as JSON, and everything else as text.
fn value_of(value: &str) -> Value {
    match serde_json::from_str(value) {
        Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => value,
        _ => json!(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_query_are_read_by_their_form() {
        for (given, value) in [
            ("city:Solo", json!("Solo")),
            ("age:31", json!(31)),
            ("vip:true", json!(true)),
            ("code:\"31\"", json!("31")),
            ("link:a:b", json!("a:b")),
        ] {
            let filter = ContactFilter::default().with_field(Some(given)).unwrap();
            assert_eq!(filter.fields.unwrap().values().next(), Some(&value), "{given}");
        }
        assert!(ContactFilter::default().with_field(Some("city")).is_err());
        let owner = Some("not an id".to_owned());
        assert!(
            ContactFilter {
                owner,
                ..ContactFilter::default()
            }
            .checked()
            .is_err()
        );
    }
}
