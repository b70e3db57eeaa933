//! A filter of contacts as clients write it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::text::Text;

/// A filter of contacts: `{"all": [filter, …]}`, `{"any": [filter, …]}`, `{"not": filter}`, a comparison `{"field",
/// "op", "value"}`, or a contact's part in a campaign: `{"campaign": id, "did", "within_days"?}`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(value_type = Object, example = json!({"all": [
    {"field": "tags", "op": "has", "value": "vip"},
    {"field": "last_message_at", "op": "more_than_days_ago", "value": 30},
    {"not": {"campaign": "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10", "did": "replied"}},
]}))]
#[serde(transparent)]
pub struct ContactTree(Value);

impl ContactTree {
    /// Refuses texts that Postgres cannot store. The database checks everything else.
    pub fn checked(self, field: &str) -> Result<Self, ApiError> {
        if self.0.is_null() || has_nul(&self.0) {
            return Err(ApiError::field(
                field,
                Text::new("must be a filter", "harus berupa saringan"),
            ));
        }
        Ok(self)
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_cannot_be_stored_are_refused_at_any_depth() {
        let checked = |json: Value| ContactTree(json).checked("filter");
        assert!(checked(serde_json::json!({"field": "name", "op": "is", "value": "Ani"})).is_ok());
        for wrong in [
            serde_json::json!(null),
            serde_json::json!({"any": [{"field": "name", "op": "one_of", "value": ["a\u{0}"]}]}),
            serde_json::json!({"fie\u{0}ld": 1}),
        ] {
            assert!(checked(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
