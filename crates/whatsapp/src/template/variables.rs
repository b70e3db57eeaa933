//! Values for a template and what can be wrong with them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A value a template needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// What a named map calls it: the placeholder's own name in the body; `header_1` for the number in a header's
    /// text; `header` for a header's file or place; `button_0` for the button at that index.
    pub name: String,
    /// What kind of value it is.
    pub kind: VariableKind,
    /// The example the template was submitted with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// What kind of value a variable takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableKind {
    /// A text within the header's text.
    HeaderText,
    /// A text within the body.
    BodyText,
    /// An image: the https address of a file or the id of an uploaded one.
    Image,
    /// A video, as for an image.
    Video,
    /// A short video shown as an animation, as for an image.
    Gif,
    /// A document, as for an image.
    Document,
    /// A place: `latitude, longitude; name; address`.
    Location,
    /// What is put at the end of a button's address.
    UrlSuffix,
    /// The code a button copies.
    CopyCode,
}

/// Values for a template's variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Variables {
    /// In the order of [`super::TemplateDefinition::variables`]: header, body, buttons.
    Positional(Vec<String>),
    /// By the names of [`Variable::name`].
    Named(BTreeMap<String, String>),
}

/// Why a value will not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The variable's name; `header` or `body` when it is the filled text.
    pub variable: String,
    /// What is wrong.
    #[serde(serialize_with = "as_text")]
    pub reason: ProblemReason,
}

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemReason {
    /// There is no value.
    Missing,
    /// The list holds more values than the template has variables.
    Unexpected,
    /// The value is empty.
    Empty,
    /// A line break, a tab or more than four spaces in a row.
    Whitespace,
    /// The text or code is longer than so many characters once filled in.
    TooLong(usize),
    /// Neither an https address nor the id of an uploaded file.
    NotAFile,
    /// Not `latitude, longitude; name; address`.
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
    /// A list or a map of strings; numbers and booleans count as their text, `null` as absent.
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

/// `None` for what is no text, `Some(None)` for nothing.
fn text(value: Value) -> Option<Option<String>> {
    match value {
        Value::String(text) => Some(Some(text)),
        Value::Number(number) => Some(Some(number.to_string())),
        Value::Bool(truth) => Some(Some(truth.to_string())),
        Value::Null => Some(None),
        Value::Array(_) | Value::Object(_) => None,
    }
}
