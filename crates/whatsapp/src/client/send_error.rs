//! What a sender can do when a message was not accepted.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::error_codes::{self, ErrorKind, Scope};

/// Why a call brought no acceptance, sorted by what may be done next. Meta has no idempotency key: only
/// [`SendError::NotSent`] and [`SendError::Retryable`] may be sent again.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Meta refused it and would again.
    #[error("Meta refused: {error}")]
    Rejected {
        /// Meta's reason.
        error: Box<MetaError>,
    },
    /// Meta refused it for now.
    #[error("Meta asks to wait: {error}")]
    Retryable {
        /// Meta's reason.
        error: Box<MetaError>,
        /// What has to wait.
        scope: Scope,
        /// How long, when Meta said so.
        retry_after: Option<Duration>,
    },
    /// It may have been sent. A status that carries our callback data will tell.
    #[error("it is not known whether the message was sent: {reason}")]
    OutcomeUnknown {
        /// What went wrong.
        reason: String,
        /// Meta's own words, where it gave any.
        error: Option<Box<MetaError>>,
    },
    /// The request never reached Meta.
    #[error("Meta was not reached: {reason}")]
    NotSent {
        /// What went wrong.
        reason: String,
    },
    /// The access token does not work.
    #[error("Meta does not accept the access token: {error}")]
    TokenInvalid {
        /// Meta's reason.
        error: Box<MetaError>,
    },
    /// Meta has blocked the account, or it cannot pay.
    #[error("Meta has blocked the account: {error}")]
    AccountBlocked {
        /// Meta's reason.
        error: Box<MetaError>,
    },
}

/// An error as Meta describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetaError {
    /// See [`crate::error_codes`]; [`MetaError::NO_CODE`] when the answer held no error of Meta's.
    pub code: i64,
    /// A finer code.
    pub subcode: Option<i64>,
    /// Meta's short text.
    pub message: String,
    /// Meta's longer text.
    pub details: Option<String>,
    /// The HTTP status.
    pub status: u16,
    /// Meta's reference for its support.
    pub trace_id: Option<String>,
    /// Meta says it will pass.
    pub is_transient: bool,
}

impl MetaError {
    /// No code of Meta's is negative.
    pub const NO_CODE: i64 = -1;

    /// The most telling text Meta gave.
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
    /// Meta's own words, where it gave any.
    pub fn meta_error(&self) -> Option<&MetaError> {
        match self {
            Self::Rejected { error }
            | Self::Retryable { error, .. }
            | Self::TokenInvalid { error }
            | Self::AccountBlocked { error } => Some(error),
            Self::OutcomeUnknown { .. } | Self::NotSent { .. } => None,
        }
    }

    /// No answer of Meta's that can be understood.
    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self::OutcomeUnknown {
            reason: reason.into(),
            error: None,
        }
    }

    /// An answer other than 200.
    pub(super) fn from_answer(status: StatusCode, body: &[u8], retry_after: Option<Duration>) -> Self {
        let Some(error) = MetaError::read(status, body) else {
            return Self::without_code(status, retry_after);
        };
        let kind = error_codes::kind(error.code).unwrap_or_else(|| unknown_code(&error, status));
        let error = Box::new(error);
        match kind {
            ErrorKind::Rejected if error.is_transient && !status.is_server_error() => Self::Retryable {
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
            ErrorKind::OutcomeUnknown => Self::OutcomeUnknown {
                reason: error.to_string(),
                error: Some(error),
            },
            ErrorKind::TokenInvalid => Self::TokenInvalid { error },
            ErrorKind::AccountBlocked => Self::AccountBlocked { error },
        }
    }

    /// An answer that something on the way gave in Meta's place. Below 500 it says that the request went no
    /// further.
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

    /// No status line was received.
    pub(super) fn without_answer(error: &reqwest::Error) -> Self {
        let reason = causes(error);
        // A connection that was never made carried nothing; neither did a request that could not be built.
        if error.is_connect() || error.is_builder() {
            return Self::NotSent { reason };
        }
        Self::unknown(reason)
    }

    /// The answer broke off after its status.
    pub(super) fn broken_answer(status: StatusCode, error: &reqwest::Error) -> Self {
        Self::unknown(format!("HTTP {}, then {}", status.as_u16(), causes(error)))
    }
}

fn unknown_code(error: &MetaError, status: StatusCode) -> ErrorKind {
    match status {
        _ if status.is_server_error() => ErrorKind::OutcomeUnknown,
        StatusCode::UNAUTHORIZED => ErrorKind::TokenInvalid,
        _ if error.is_transient => ErrorKind::Retryable(Scope::None),
        _ => ErrorKind::Rejected,
    }
}

/// The chain of causes, without the URL: it holds the number's id.
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
