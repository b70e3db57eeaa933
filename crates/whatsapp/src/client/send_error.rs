//! Errors of a call to Meta, grouped by how the sender can react.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::error_codes::{self, ErrorKind, Scope};

/// The reason why Meta did not accept a call, grouped by the possible reaction. Meta has no idempotency key:
/// only after [`SendError::NotSent`] and [`SendError::Retryable`] may the message be sent again.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Meta refused the call and would refuse it again.
    #[error("Meta refused: {error}")]
    Rejected {
        /// Meta's error.
        error: Box<MetaError>,
    },
    /// Meta refused the call for now.
    #[error("Meta asks to wait: {error}")]
    Retryable {
        /// Meta's error.
        error: Box<MetaError>,
        /// The scope that has to wait.
        scope: Scope,
        /// The time to wait, if Meta stated one.
        retry_after: Option<Duration>,
    },
    /// The message may have been sent. A later status with our callback data shows that it was.
    #[error("it is not known whether the message was sent: {reason}")]
    OutcomeUnknown {
        /// The cause.
        reason: String,
        /// Meta's error, if it sent one.
        error: Option<Box<MetaError>>,
    },
    /// The request did not reach Meta.
    #[error("Meta was not reached: {reason}")]
    NotSent {
        /// The cause.
        reason: String,
    },
    /// Meta does not accept the access token.
    #[error("Meta does not accept the access token: {error}")]
    TokenInvalid {
        /// Meta's error.
        error: Box<MetaError>,
    },
    /// Meta has blocked the account, or the account cannot pay.
    #[error("Meta has blocked the account: {error}")]
    AccountBlocked {
        /// Meta's error.
        error: Box<MetaError>,
    },
}

/// An error in Meta's own terms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetaError {
    /// The error code, see [`crate::error_codes`]; [`MetaError::NO_CODE`] when the answer held no error of
    /// Meta's.
    pub code: i64,
    /// The subcode, which is more specific.
    pub subcode: Option<i64>,
    /// Meta's short text.
    pub message: String,
    /// Meta's longer text.
    pub details: Option<String>,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Meta's reference for its support (`fbtrace_id`).
    pub trace_id: Option<String>,
    /// Whether Meta describes the error as temporary.
    pub is_transient: bool,
}

impl MetaError {
    /// The code of an error that Meta gave none for. Meta's own codes are never negative.
    pub const NO_CODE: i64 = -1;

    /// The most specific text that Meta gave.
    pub fn text(&self) -> &str {
        self.details.as_deref().unwrap_or(&self.message)
    }

    fn read(status: StatusCode, body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            error: Value,
        }
        let Body { error } = serde_json::from_slice(body).ok()?;
        let code = number(&error["code"])?;
        let data = &error["error_data"];
        let details = data["details"]
            .as_str()
            .or(data.as_str())
            .or(error["error_user_msg"].as_str());
        Some(Self {
            code,
            subcode: number(&error["error_subcode"]),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            details: details.filter(|details| !details.is_empty()).map(str::to_owned),
            status: status.as_u16(),
            trace_id: error["fbtrace_id"].as_str().map(str::to_owned),
            is_transient: error["is_transient"].as_bool().unwrap_or(false),
        })
    }
}

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code == Self::NO_CODE {
            return write!(f, "HTTP {} without an error of Meta's", self.status);
        }
        write!(f, "{}", self.code)?;
        if let Some(subcode) = self.subcode {
            write!(f, "/{subcode}")?;
        }
        let text = self.text();
        // Meta's messages often begin with the code.
        let prefix = format!("(#{})", self.code);
        write!(f, " {}", text.strip_prefix(&prefix).unwrap_or(text).trim_start())
    }
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

impl SendError {
    /// Meta's error, if it sent one.
    pub fn meta_error(&self) -> Option<&MetaError> {
        match self {
            Self::Rejected { error }
            | Self::Retryable { error, .. }
            | Self::TokenInvalid { error }
            | Self::AccountBlocked { error } => Some(error),
            Self::OutcomeUnknown { .. } | Self::NotSent { .. } => None,
        }
    }

    /// A call without an intelligible answer from Meta.
    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self::OutcomeUnknown {
            reason: reason.into(),
            error: None,
        }
    }

    /// An answer with a status other than 200. An error in Meta's own terms is a refusal, whatever the status: the
    /// answer to an accepted message has its id. Anything else may have come from a server in between.
    pub(super) fn from_answer(status: StatusCode, body: &[u8], retry_after: Option<Duration>) -> Self {
        let Some(error) = MetaError::read(status, body) else {
            return Self::without_code(status, retry_after);
        };
        let kind = error_codes::kind(error.code).unwrap_or_else(|| unknown_code(&error, status));
        let error = Box::new(error);
        match kind {
            ErrorKind::Rejected if error.is_transient => Self::Retryable {
                error,
                scope: Scope::None,
                retry_after,
            },
            ErrorKind::Rejected => Self::Rejected { error },
            ErrorKind::Retryable(scope) => Self::Retryable {
                error,
                scope,
                retry_after,
            },
            ErrorKind::TokenInvalid => Self::TokenInvalid { error },
            ErrorKind::AccountBlocked => Self::AccountBlocked { error },
        }
    }

    /// An answer without a Meta error code, from a proxy between us and Meta. A status below 500 means that
    /// the request was not forwarded.
    fn without_code(status: StatusCode, retry_after: Option<Duration>) -> Self {
        let error = Box::new(MetaError {
            code: MetaError::NO_CODE,
            status: status.as_u16(),
            ..MetaError::default()
        });
        match status {
            StatusCode::TOO_MANY_REQUESTS => Self::Retryable {
                error,
                scope: Scope::Number,
                retry_after,
            },
            StatusCode::REQUEST_TIMEOUT => Self::unknown(error.to_string()),
            _ if status.is_client_error() || status.is_redirection() => Self::Rejected { error },
            _ => Self::unknown(error.to_string()),
        }
    }

    /// A call for which no status line was received.
    pub(super) fn without_answer(error: &reqwest::Error) -> Self {
        let reason = causes(error);
        // Neither a failed connection nor a request that could not be built has carried anything to Meta.
        if error.is_connect() || error.is_builder() {
            return Self::NotSent { reason };
        }
        Self::unknown(reason)
    }

    /// An answer that broke off after its status line.
    pub(super) fn broken_answer(status: StatusCode, error: &reqwest::Error) -> Self {
        Self::unknown(format!("HTTP {}, then {}", status.as_u16(), causes(error)))
    }
}

fn unknown_code(error: &MetaError, status: StatusCode) -> ErrorKind {
    match status {
        StatusCode::UNAUTHORIZED => ErrorKind::TokenInvalid,
        _ if error.is_transient => ErrorKind::Retryable(Scope::None),
        _ => ErrorKind::Rejected,
    }
}

/// The chain of causes, without the URL because it contains the number's id.
fn causes(error: &reqwest::Error) -> String {
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
        "the request failed".to_owned()
    } else {
        text
    }
}
