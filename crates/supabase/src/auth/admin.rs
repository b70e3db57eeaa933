//! Administration of users and their sessions with the service key.

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database_error::Source;
use crate::endpoint;
use crate::key::ApiKey;

/// A client for `/auth/v1/admin`.
pub struct AuthAdmin<'a> {
    http: &'a reqwest::Client,
    project: &'a Url,
    key: &'a ApiKey,
}

/// A user of Supabase Auth.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct User {
    /// The id, which is `sub` in access tokens.
    pub id: Uuid,
}

/// The data of a new user.
#[derive(Clone, Default, Serialize)]
pub struct NewUser {
    /// The mail address with which the user signs in.
    pub email: String,
    /// The password. Without one, the user signs in by a link or sets a password later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Whether the address counts as confirmed.
    pub email_confirm: bool,
}

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
    /// A value is invalid.
    #[error("a value is not valid")]
    Invalid(Source),
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
            | Self::Invalid(source)
            | Self::RateLimited(source)
            | Self::Unavailable(source)
            | Self::Unexpected(source) => source.as_str(),
        }
    }
}

impl<'a> AuthAdmin<'a> {
    pub(crate) fn new(http: &'a reqwest::Client, project: &'a Url, key: &'a ApiKey) -> Self {
        Self { http, project, key }
    }

    /// Creates a user.
    pub async fn create_user(&self, user: &NewUser) -> Result<User, AuthError> {
        let request = self.request(Method::POST, &self.users()).json(user);
        read(&send(request).await?)
    }

    /// Creates a user and has Auth send them a mail with a sign-in link. The link leads on to `redirect_to`.
    /// Fails with [`AuthError::EmailTaken`] if a user has already confirmed the address.
    pub async fn invite(&self, email: &str, redirect_to: Option<&str>) -> Result<User, AuthError> {
        let mut url = endpoint(self.project, &["auth", "v1", "invite"]);
        if let Some(address) = redirect_to {
            url.query_pairs_mut().append_pair("redirect_to", address);
        }
        let body = serde_json::json!({ "email": email, "data": {} });
        let request = self.request(Method::POST, &url).json(&body);
        read(&send(request).await?)
    }

    /// Bans a user for a duration such as `24h`; `none` lifts the ban.
    pub async fn ban_user(&self, id: Uuid, duration: &str) -> Result<(), AuthError> {
        let changes = serde_json::json!({ "ban_duration": duration });
        let request = self.request(Method::PUT, &self.user(id)).json(&changes);
        send(request).await.map(drop)
    }

    /// Deletes a user and their sessions.
    pub async fn delete_user(&self, id: Uuid) -> Result<(), AuthError> {
        send(self.request(Method::DELETE, &self.user(id))).await.map(drop)
    }

    fn users(&self) -> Url {
        endpoint(self.project, &["auth", "v1", "admin", "users"])
    }

    fn user(&self, id: Uuid) -> Url {
        endpoint(self.project, &["auth", "v1", "admin", "users", &id.to_string()])
    }

    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let request = self
            .http
            .request(method, url.clone())
            .header("apikey", self.key.header.clone());
        match &self.key.bearer {
            Some(bearer) => request.header(AUTHORIZATION, bearer.clone()),
            None => request,
        }
    }
}

async fn send(request: RequestBuilder) -> Result<Vec<u8>, AuthError> {
    let unavailable = |error: reqwest::Error| AuthError::Unavailable(Source::of(&error));
    let response = request.send().await.map_err(unavailable)?;
    let status = response.status();
    let body = response.bytes().await.map_err(unavailable)?;
    if status.is_success() {
        Ok(body.into())
    } else {
        Err(refusal(status, &body))
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, AuthError> {
    serde_json::from_slice(body).map_err(|error| {
        AuthError::Unexpected(Source::new(format!(
            "the answer does not have the expected shape: {error}"
        )))
    })
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
        (_, 429) => AuthError::RateLimited(source),
        (_, 404) => AuthError::NotFound(source),
        (_, 400 | 409 | 422) => AuthError::Invalid(source),
        (_, 500..=599) => AuthError::Unavailable(source),
        _ => AuthError::Unexpected(source),
    }
}
