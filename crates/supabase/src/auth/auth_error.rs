//! Requests to Auth, and the reasons why it refuses them.

use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;

use crate::database_error::Source;

/// The reason why Auth refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Another user has this address.
    #[error("a user with this address exists")]
    EmailTaken(Source),
    /// The user does not exist.
    #[error("there is no such user")]
    NotFound(Source),
    /// The password does not meet the project's rules. The text names the rule.
    #[error("{message}")]
    WeakPassword {
        /// Auth's own sentence, which is written for people.
        message: String,
    },
    /// The new password is the one that the account has.
    #[error("the password is the one before")]
    SamePassword(Source),
    /// The session of the access token has ended, or does not suffice.
    #[error("the session is no longer valid")]
    SignedOut(Source),
    /// A value is invalid.
    #[error("a value is not valid")]
    Invalid(Source),
    /// The address has received a mail a moment ago.
    #[error("the address has received a mail a moment ago")]
    MailedBefore(Source),
    /// There were too many calls.
    #[error("too many requests to Auth")]
    RateLimited(Source),
    /// Auth is down or unreachable.
    #[error("Auth is not available")]
    Unavailable(Source),
    /// A defect, or a key without the necessary rights.
    #[error("an unexpected Auth error")]
    Unexpected(Source),
}

impl AuthError {
    /// Auth's answer, for logs.
    pub fn source_text(&self) -> &str {
        match self {
            Self::WeakPassword { message } => message,
            Self::EmailTaken(source)
            | Self::NotFound(source)
            | Self::SamePassword(source)
            | Self::SignedOut(source)
            | Self::MailedBefore(source)
            | Self::Invalid(source)
            | Self::RateLimited(source)
            | Self::Unavailable(source)
            | Self::Unexpected(source) => source.as_str(),
        }
    }
}

/// Sends a request whose answer has nothing that we need.
pub(super) async fn send(request: RequestBuilder) -> Result<(), AuthError> {
    let unavailable = |error: reqwest::Error| AuthError::Unavailable(Source::of(&error));
    let response = request.send().await.map_err(unavailable)?;
    let status = response.status();
    let body = response.bytes().await.map_err(unavailable)?;
    if status.is_success() {
        Ok(())
    } else {
        Err(refusal(status, &body))
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> AuthError {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Body {
        error_code: String,
        #[serde(alias = "message", alias = "error_description")]
        msg: String,
    }
    let body: Body = serde_json::from_slice(body).unwrap_or_default();
    let source = Source::new(format!(
        "HTTP {}: {}: {}",
        status.as_u16(),
        body.error_code,
        body.msg
    ));
    match (body.error_code.as_str(), status.as_u16()) {
        ("email_exists" | "user_already_exists", _) => AuthError::EmailTaken(source),
        ("user_not_found", _) => AuthError::NotFound(source),
        ("weak_password", _) => AuthError::WeakPassword { message: body.msg },
        ("same_password", _) => AuthError::SamePassword(source),
        // Auth has one code for its limit on all mails and for the minute between two mails to an account.
        ("over_email_send_rate_limit", _) if body.msg != "email rate limit exceeded" => {
            AuthError::MailedBefore(source)
        }
        (_, 429) => AuthError::RateLimited(source),
        (
            "bad_jwt" | "session_not_found" | "session_expired" | "user_banned" | "insufficient_aal"
            | "no_authorization",
            _,
        ) => AuthError::SignedOut(source),
        (_, 404) => AuthError::NotFound(source),
        (_, 400 | 409 | 422) => AuthError::Invalid(source),
        (_, 500..=599) => AuthError::Unavailable(source),
        _ => AuthError::Unexpected(source),
    }
}
