//! Recipients that a request lists one by one.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::row_reader::{Columns, Entry, MAX_COLUMN_NAME};
use crm_core::error::ApiError;
use crm_core::text::Text;
use tables::file_import::row_problem::RowProblem;
use tables::table_file::{Cell, Row};

/// The most recipients of one request.
const MAX_RECIPIENTS: usize = 10_000;
const MAX_VARIABLES: usize = 100;

/// A recipient: `"+62 812-3456-7890"`, or an object with name and variables.
#[derive(Deserialize, ToSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "must be a phone number or an object with `phone_number` and, at choice, `name` and `variables`"
)]
pub(crate) enum GivenRecipient {
    /// A phone number.
    Number(String),
    Person {
        /// A phone number. A number without a country code is from `country`.
        #[serde(
            alias = "phone",
            alias = "number",
            alias = "wa_id",
            deserialize_with = "text_or_number"
        )]
        #[schema(example = "+62 812-3456-7890")]
        phone_number: String,
        #[serde(alias = "contacts_name")]
        #[schema(example = "Ani")]
        name: Option<String>,
        /// A list for `var1`, `var2` …, or an object by name.
        #[serde(default)]
        #[schema(value_type = Value, example = json!({"city": "Solo"}))]
        variables: GivenVariables,
    },
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "must be a list or an object")]
pub(crate) enum GivenVariables {
    List(Vec<Value>),
    Named(Map<String, Value>),
}

impl Default for GivenVariables {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl GivenVariables {
    fn into_pairs(self) -> Vec<(String, Value)> {
        match self {
            Self::List(values) => (1..)
                .zip(values)
                .map(|(place, value)| (format!("var{place}"), value))
                .collect(),
            Self::Named(values) => values.into_iter().collect(),
        }
    }
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text_of(&Value::deserialize(deserializer)?)
        .ok_or_else(|| serde::de::Error::custom("must be a phone number"))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.trim().replace('\0', "")),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Recipients as the database expects them, and the problems of the others by line, from 1.
pub(super) struct CheckedRecipients {
    pub(super) columns: Vec<String>,
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<RowProblem>,
}

/// Checks recipients like the rows of a file.
pub(super) fn check(recipients: Vec<GivenRecipient>, country: &str) -> Result<CheckedRecipients, ApiError> {
    if recipients.is_empty() || recipients.len() > MAX_RECIPIENTS {
        let problem = Text::new(
            "must list 1 to 10,000 recipients",
            "harus berisi 1 sampai 10.000 penerima",
        );
        return Err(ApiError::field("recipients", problem));
    }
    let mut names: Vec<String> = Vec::new();
    let mut rows = Vec::with_capacity(recipients.len());
    for (index, recipient) in recipients.into_iter().enumerate() {
        let (phone, name, variables) = match recipient {
            GivenRecipient::Number(number) => (number, None, GivenVariables::default()),
            GivenRecipient::Person {
                phone_number,
                name,
                variables,
            } => (phone_number, name, variables),
        };
        let name = name.unwrap_or_default().trim().replace('\0', "");
        let mut cells = vec![Cell::Text(phone), Cell::Text(name)];
        for (variable, value) in variables.into_pairs() {
            let field = || format!("recipients[{index}].variables.{variable}");
            let Some(text) = text_of(&value) else {
                return Err(ApiError::field(
                    field(),
                    Text::new("must be a text or a number", "harus berupa teks atau angka"),
                ));
            };
            let place = match names.iter().position(|known| *known == variable) {
                Some(place) => place,
                None if names.len() >= MAX_VARIABLES || !is_name(&variable) => {
                    let problem = Text::new(
                        "cannot be one more variable",
                        "tidak dapat menjadi variabel tambahan",
                    );
                    return Err(ApiError::field(field(), problem));
                }
                None => {
                    names.push(variable);
                    names.len() - 1
                }
            };
            cells.resize(cells.len().max(place + 3), Cell::Text(String::new()));
            cells[place + 2] = Cell::Text(text);
        }
        rows.push(cells);
    }
    let columns = Columns::of_listed_recipients(&names);
    let mut checked = CheckedRecipients {
        columns: names,
        entries: Vec::new(),
        problems: Vec::new(),
    };
    for (line, cells) in (1..).zip(rows) {
        match columns.read(&Row { line, cells }, country) {
            Ok(entry) => checked.entries.push(entry),
            Err(problems) => checked.problems.extend(problems),
        }
    }
    Ok(checked)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('\0') && name.chars().count() <= MAX_COLUMN_NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(json: Value) -> CheckedRecipients {
        check(serde_json::from_value(json).unwrap(), "ID").unwrap()
    }

    #[test]
    fn every_recipient_gets_every_variable() {
        let list = checked(serde_json::json!([
            "0812 3456 7890",
            {"phone_number": 6_281_234_567_891_u64, "name": " Ani ", "variables": ["x", 2]},
            {"phone": "6281234567892", "variables": {"kota": "Solo", "var2": null}},
        ]));
        assert_eq!(list.columns, ["var1", "var2", "kota"]);
        let variables: Vec<Value> = list
            .entries
            .iter()
            .map(|entry| entry.variables.clone().into())
            .collect();
        assert_eq!(
            variables,
            [
                serde_json::json!({"var1": "", "var2": "", "kota": ""}),
                serde_json::json!({"var1": "x", "var2": "2", "kota": ""}),
                serde_json::json!({"var1": "", "var2": "", "kota": "Solo"}),
            ]
        );
        assert_eq!(list.entries[1].name.as_deref(), Some("Ani"));
    }

    #[test]
    fn problems_are_named_with_their_place() {
        let list =
            checked(serde_json::json!(["6281234567890", {"phone_number": "abc", "name": "x".repeat(201)}]));
        let found: Vec<(u32, &str)> = list
            .problems
            .iter()
            .map(|problem| (problem.line, problem.field.as_str()))
            .collect();
        assert_eq!(found, [(2, "phone_number"), (2, "name")]);
        assert_eq!(list.entries.len(), 1);
    }
}
