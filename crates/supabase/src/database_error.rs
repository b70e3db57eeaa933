//! The errors of the database, sorted by what a caller can do.

use std::error::Error as StdError;
use std::fmt;

use reqwest::header::HeaderMap;
use serde::Deserialize;

/// The reason why a call failed. `Display` never shows text from the database; [`DatabaseError::source_text`] does, for
/// logs.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The user's token is not valid, or no longer.
    #[error("the access token was not accepted")]
    Unauthorized(Source),
    /// The caller lacks the right.
    #[error("not allowed")]
    Forbidden(Source),
    /// The row does not exist.
    #[error("not found")]
    NotFound(Source),
    /// A SQL function of ours refused, with `raise sqlstate 'PTxyz'`.
    #[error("{message}")]
    Refused {
        /// The HTTP status the function asked for.
        status: u16,
        /// The machine-readable reason (`detail`), or `"refused"` if the function gave none.
        code: String,
        /// The reason as a sentence for people.
        message: String,
        /// The wrong field (`hint`).
        field: Option<String>,
    },
    /// A row with the same key exists, or other rows still depend on this one.
    #[error("it conflicts with what is already there")]
    Conflict {
        /// The violated constraint, if the database named it.
        constraint: Option<String>,
        /// The text from the database, for logs.
        source: Source,
    },
    /// A column or a function does not accept a value.
    #[error("a value is not valid")]
    Invalid(Source),
    /// Another transaction conflicted. The same call may succeed when it is repeated.
    #[error("the database is busy with the same rows")]
    Retryable(Source),
    /// The database or the connection to it is down, overloaded or too slow.
    #[error("the database is not available")]
    Unavailable(Source),
    /// A defect of ours, of the schema or of the server.
    #[error("an unexpected database error")]
    Unexpected(Source),
}

/// The text of the underlying error, for logs only.
#[derive(Clone, PartialEq, Eq)]
pub struct Source(Box<str>);

impl Source {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The whole chain of causes without the URL, which contains filter values.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        let mut text = if error.is_timeout() {
            "time limit reached".to_owned()
        } else {
            String::new()
        };
        let mut cause = error.source();
        while let Some(error) = cause {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            cause = error.source();
        }
        if text.is_empty() {
            text.push_str("the request failed");
        }
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Source {}

/// PostgREST's error body.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    code: Option<String>,
    message: Option<String>,
    details: Option<serde_json::Value>,
    hint: Option<serde_json::Value>,
}

impl DatabaseError {
    /// The text from the database, for logs.
    pub fn source_text(&self) -> &str {
        match self {
            Self::Refused { message, .. } => message,
            Self::Unauthorized(source)
            | Self::Forbidden(source)
            | Self::NotFound(source)
            | Self::Conflict { source, .. }
            | Self::Invalid(source)
            | Self::Retryable(source)
            | Self::Unavailable(source)
            | Self::Unexpected(source) => source.as_str(),
        }
    }

    /// Whether the same call may succeed soon.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Retryable(_) | Self::Unavailable(_))
    }

    pub(crate) fn from_answer(status: u16, headers: &HeaderMap, raw: &[u8], as_user: bool) -> Self {
        let body: Option<Body> = serde_json::from_slice(raw).ok();
        let code = body
            .as_ref()
            .and_then(|body| body.code.clone())
            .unwrap_or_default();
        let source = source_text(status, &code, body.as_ref(), headers);

        if let Some(status) = custom_status(&code) {
            let body = body.unwrap_or_default();
            return Self::Refused {
                status,
                code: text(body.details).unwrap_or_else(|| "refused".to_owned()),
                message: body.message.unwrap_or_default(),
                field: text(body.hint),
            };
        }

        match code.as_str() {
            "PGRST301" | "PGRST302" | "PGRST303" if as_user => Self::Unauthorized(source),
            "PGRST116" => Self::NotFound(source),
            "PGRST000" | "PGRST001" | "PGRST002" | "PGRST003" => Self::Unavailable(source),
            // The server's view of the schema or of its settings, or a query that we wrote, is wrong.
            "PGRST200" | "PGRST201" | "PGRST202" | "PGRST203" | "PGRST205" | "PGRST125" => {
                Self::Unexpected(source)
            }
            "PGRST204" => Self::Invalid(source),
            _ if code.starts_with("PGRST1") => Self::Invalid(source),
            "42501" => Self::Forbidden(source),
            "23505" | "23P01" => Self::Conflict {
                constraint: constraint(body.as_ref()),
                source,
            },
            "23503" if still_referenced(body.as_ref()) => Self::Conflict {
                constraint: constraint(body.as_ref()),
                source,
            },
            "23502" | "23503" | "23514" | "44000" => Self::Invalid(source),
            "40001" | "40P01" | "55P03" => Self::Retryable(source),
            "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "58000" | "58030" => {
                Self::Unavailable(source)
            }
            _ if code.len() == 5 && code.starts_with("53") || code.len() == 5 && code.starts_with("08") => {
                Self::Unavailable(source)
            }
            _ if code.len() == 5 && code.starts_with("22") => Self::Invalid(source),
            _ => Self::from_status(status, !code.is_empty(), as_user, source),
        }
    }

    /// Decides by the status if the code is unknown. A 401 for the service concerns our key, not a user's token.
    fn from_status(status: u16, coded: bool, as_user: bool, source: Source) -> Self {
        match status {
            401 if as_user => Self::Unauthorized(source),
            403 if as_user => Self::Forbidden(source),
            404 if !coded => Self::NotFound(source),
            408 | 429 => Self::Unavailable(source),
            500..=599 if !coded => Self::Unavailable(source),
            502..=504 => Self::Unavailable(source),
            _ => Self::Unexpected(source),
        }
    }
}

/// The status in a SQLSTATE of the form `PTxyz`.
fn custom_status(code: &str) -> Option<u16> {
    let digits = code.strip_prefix("PT").filter(|digits| digits.len() == 3)?;
    digits.parse().ok().filter(|status| (400..600).contains(status))
}

fn source_text(status: u16, code: &str, body: Option<&Body>, headers: &HeaderMap) -> Source {
    let Some(body) = body else {
        let kind = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or("no type");
        return Source::new(format!(
            "HTTP {status} with a body that is not PostgREST's ({kind})"
        ));
    };
    let mut line = format!("HTTP {status}");
    // The details are left out, because they quote rows with personal data.
    for part in [Some(code.to_owned()), body.message.clone()] {
        if let Some(part) = part.filter(|part| !part.is_empty()) {
            line.push_str(": ");
            line.push_str(&without_values(&part));
        }
    }
    Source::new(line)
}

/// Postgres's sentence without the values it quotes: `"…"` after a colon, and everything that may be a phone number or
/// a wamid.
fn without_values(message: &str) -> String {
    let sentence = match message.split_once(": \"") {
        Some((sentence, _)) => sentence,
        None => message,
    };
    let mut masked = String::with_capacity(sentence.len());
    for word in sentence.split_inclusive(' ') {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        if digits >= 6 || word.contains("wamid") {
            masked.push_str("(value) ");
        } else {
            masked.push_str(word);
        }
    }
    masked.truncate(masked.trim_end().len());
    masked
}

fn text(value: Option<serde_json::Value>) -> Option<String> {
    match value? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) if text.is_empty() => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// The name of the constraint in `... violates unique constraint "name"`.
fn constraint(body: Option<&Body>) -> Option<String> {
    let (_, rest) = body?.message.as_deref()?.split_once("constraint \"")?;
    rest.split_once('"').map(|(name, _)| name.to_owned())
}

fn still_referenced(body: Option<&Body>) -> bool {
    let details = body
        .and_then(|body| text(body.details.clone()))
        .unwrap_or_default();
    details.contains("is still referenced")
}
