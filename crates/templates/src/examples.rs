//! Examples of variables, in the forms that clients may use.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// `["Rina", "KS-1"]`, `{"1": "Rina"}`, or `[{"name": "first_name", "example": "Rina"}]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Examples(Vec<(Option<String>, String)>);

impl Examples {
    /// The examples by name. Examples without a name belong to the variables of the body in their order.
    pub(super) fn by_name(self, variables: &[String]) -> BTreeMap<String, String> {
        let name_of = |(at, (name, example)): (usize, (Option<String>, String))| {
            let name = name.or_else(|| variables.get(at).cloned());
            (name.unwrap_or_else(|| (at + 1).to_string()), example)
        };
        self.0.into_iter().enumerate().map(name_of).collect()
    }
}

impl<'de> Deserialize<'de> for Examples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let examples = match Value::deserialize(deserializer)? {
            Value::Array(items) => items.into_iter().map(item).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| Some((Some(name), text(&value)?)))
                .collect(),
            _ => None,
        };
        examples.map(Self).ok_or_else(|| {
            serde::de::Error::custom(
                "must be a list of texts, a map of texts, or a list of objects with name and example",
            )
        })
    }
}

fn item(value: Value) -> Option<(Option<String>, String)> {
    let Value::Object(member) = value else {
        return Some((None, text(&value)?));
    };
    let name = ["name", "param_name", "key"]
        .iter()
        .find_map(|key| member.get(*key));
    let example = ["example", "value"].iter().find_map(|key| member.get(*key));
    Some((
        name.and_then(text).map(without_braces),
        example.map_or(Some(String::new()), text)?,
    ))
}

fn without_braces(name: String) -> String {
    let inner = name
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .map(|inner| inner.trim().to_owned());
    inner.unwrap_or(name)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value, variables: &[&str]) -> BTreeMap<String, String> {
        let variables: Vec<String> = variables.iter().map(ToString::to_string).collect();
        serde_json::from_value::<Examples>(value)
            .unwrap()
            .by_name(&variables)
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, example)| ((*name).to_owned(), (*example).to_owned()))
            .collect()
    }

    #[test]
    fn lists_maps_and_objects_are_equivalent() {
        let expected = map(&[("1", "Rina"), ("2", "7")]);
        assert_eq!(read(json!(["Rina", 7]), &["1", "2"]), expected);
        assert_eq!(read(json!({"1": "Rina", "2": "7"}), &["1", "2"]), expected);
        let objects = json!([{"name": "{{1}}", "example": "Rina"}, {"name": 2, "example": "7"}]);
        assert_eq!(read(objects, &["1", "2"]), expected);
        assert_eq!(
            read(json!(["Rina"]), &["first_name"]),
            map(&[("first_name", "Rina")])
        );
    }

    #[test]
    fn an_example_that_is_not_text_is_refused() {
        for value in [json!("Rina"), json!([["Rina"]]), json!({"1": {}}), json!(1)] {
            assert!(
                serde_json::from_value::<Examples>(value.clone()).is_err(),
                "{value}"
            );
        }
    }
}
