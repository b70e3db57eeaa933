//! The variables of a template, their values and the problems of these values.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A variable of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// The name in a map of values: the placeholder's own name in the body; `header_1` for the number in a
    /// header's text; `header` for a header's file or location; `button_0` for the button at that index.
    pub name: String,
    /// The kind of value that it requires.
    pub kind: VariableKind,
    /// The example with which the template was submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// The kind of value that a variable requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableKind {
    /// A text within the header.
    HeaderText,
    /// A text within the body.
    BodyText,
    /// An image: the https address of a file or the id of an uploaded one.
    Image,
    /// A video, in the same form as an image.
    Video,
    /// A short video shown as an animation, in the same form as an image.
    Gif,
    /// A document, in the same form as an image.
    Document,
    /// A location: `latitude, longitude; name; address`.
    Location,
    /// The end of a button's address.
    UrlSuffix,
    /// The code that a button copies.
    CopyCode,
}

/// Values for a template's variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Variables {
    /// A list in the order of [`super::TemplateDefinition::variables`]: header, body, buttons.
    Positional(Vec<String>),
    /// A map by [`Variable::name`].
    Named(BTreeMap<String, String>),
}

/// A value that Meta would refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The name of the variable; `header` or `body` if the filled text is the problem.
    pub variable: String,
    /// The reason.
    #[serde(serialize_with = "as_text")]
    pub reason: ProblemReason,
}

/// The reason why Meta would refuse a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemReason {
    /// The value is missing.
    Missing,
    /// The list holds more values than the template has variables.
    Unexpected,
    /// The value is empty.
    Empty,
    /// The value holds a line break, a tab or more than four spaces in a row.
    Whitespace,
    /// The text or code is longer than this number of characters once it is filled in.
    TooLong(usize),
    /// The value is neither an https address nor the id of an uploaded file.
    NotAFile,
    /// The value does not have the form `latitude, longitude; name; address`.
    NotAPlace,
    /// The template has a part that cannot be sent from here.
    Unsupported,
}

impl fmt::Display for ProblemReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("a value is missing"),
            Self::Unexpected => f.write_str("the template has no such variable"),
            Self::Empty => f.write_str("the value is empty"),
            Self::Whitespace => {
                f.write_str("line breaks, tabs and more than 4 spaces in a row are not allowed")
            }
            Self::TooLong(limit) => write!(f, "longer than {limit} characters once filled in"),
            Self::NotAFile => f.write_str("neither an https address nor the id of an uploaded file"),
            Self::NotAPlace => f.write_str("not of the form: latitude, longitude; name; address"),
            Self::Unsupported => f.write_str("templates with this part cannot be sent"),
        }
    }
}

fn as_text<S: serde::Serializer>(reason: &ProblemReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(reason)
}

impl Default for Variables {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Variables {
    /// Reads a list or a map of strings. Numbers and booleans are converted to text, and `null` counts as
    /// absent.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let refuse = || serde::de::Error::custom("variables are a list or a map of texts");
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self::default()),
            Value::Array(values) => {
                let texts: Option<Vec<String>> = values
                    .into_iter()
                    .map(|value| text(value).map(Option::unwrap_or_default))
                    .collect();
                texts.map(Self::Positional).ok_or_else(refuse)
            }
            Value::Object(members) => {
                let mut texts = BTreeMap::new();
                for (name, value) in members {
                    if let Some(value) = text(value).ok_or_else(refuse)? {
                        texts.insert(name, value);
                    }
                }
                Ok(Self::Named(texts))
            }
            _ => Err(refuse()),
        }
    }
}

/// The text of a value: `None` if it has none, `Some(None)` if the value is null.
fn text(value: Value) -> Option<Option<String>> {
    match value {
        Value::String(text) => Some(Some(text)),
        Value::Number(number) => Some(Some(number.to_string())),
        Value::Bool(truth) => Some(Some(truth.to_string())),
        Value::Null => Some(None),
        Value::Array(_) | Value::Object(_) => None,
    }
}
