//! A message template and its variables.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A template as the Graph API lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// The WABA it belongs to.
    pub business_account_id: String,
    /// The id. It is generated if absent.
    #[serde(default)]
    pub id: String,
    /// The name, unique together with the language.
    pub name: String,
    /// The language code, such as `id` or `en_US`.
    pub language: String,
    /// MARKETING, UTILITY or AUTHENTICATION.
    pub category: String,
    /// APPROVED, PENDING, REJECTED, PAUSED, DISABLED, ...
    #[serde(default = "approved")]
    pub status: String,
    /// POSITIONAL or NAMED.
    #[serde(default = "positional")]
    pub parameter_format: String,
    /// The header, body, footer and buttons, as they were submitted.
    #[serde(default)]
    pub components: Vec<Value>,
    /// The reason of a rejection.
    #[serde(default = "no_reason")]
    pub rejected_reason: String,
    /// GREEN, YELLOW, RED or UNKNOWN.
    #[serde(default = "unknown")]
    pub quality_score: String,
    /// The times of edits that were made while the template was approved.
    #[serde(default)]
    pub edits: Vec<i64>,
}

pub(crate) fn no_reason() -> String {
    "NONE".to_owned()
}

pub(crate) fn unknown() -> String {
    "UNKNOWN".to_owned()
}

fn approved() -> String {
    "APPROVED".to_owned()
}

fn positional() -> String {
    "POSITIONAL".to_owned()
}

impl Template {
    pub(crate) fn is_named(&self) -> bool {
        self.parameter_format.eq_ignore_ascii_case("NAMED")
    }

    pub(crate) fn is_authentication(&self) -> bool {
        self.category.eq_ignore_ascii_case("AUTHENTICATION")
    }

    pub(crate) fn component(&self, kind: &str) -> Option<&Value> {
        self.components.iter().find(|component| is_kind(component, kind))
    }

    pub(crate) fn buttons(&self) -> &[Value] {
        let buttons = self
            .component("BUTTONS")
            .and_then(|component| component["buttons"].as_array());
        buttons.map_or(&[], Vec::as_slice)
    }
}

/// Whether `component.type` is `kind`, ignoring case.
pub(crate) fn is_kind(component: &Value, kind: &str) -> bool {
    component["type"]
        .as_str()
        .is_some_and(|text| text.eq_ignore_ascii_case(kind))
}

/// The variables of a text in order of first appearance, without their braces.
pub(crate) fn variables(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        let name = name.trim();
        if !found.contains(&name) {
            found.push(name);
        }
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_once_each() {
        assert_eq!(variables("Hi {{1}}, order {{ 2 }} of {{1}}"), ["1", "2"]);
        assert_eq!(variables("{{first_name}}: {{open"), ["first_name"]);
        assert!(variables("none { } here").is_empty());
    }
}
