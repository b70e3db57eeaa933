//! Administration of users and their sessions with the service key.

use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::AccessToken;
use crate::database_error::Source;
use crate::endpoint;
use crate::key::ApiKey;
use crate::query::Page;

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
    /// The mail address with which the user signs in.
    #[serde(default)]
    pub email: Option<String>,
    /// The time when the address was confirmed.
    #[serde(default)]
    pub email_confirmed_at: Option<DateTime<Utc>>,
    /// The time of the last sign-in.
    #[serde(default)]
    pub last_sign_in_at: Option<DateTime<Utc>>,
    /// The time until which the user cannot sign in.
    #[serde(default)]
    pub banned_until: Option<DateTime<Utc>>,
    /// The time of creation.
    #[serde(default)]
    pub created_at: Option<DateTime<Utc>>,
    /// Metadata that only the service can change.
    #[serde(default)]
    pub app_metadata: Map<String, Value>,
    /// Metadata that the user can change.
    #[serde(default)]
    pub user_metadata: Map<String, Value>,
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
    /// Metadata that only the service can change.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub app_metadata: Map<String, Value>,
    /// Metadata that the user can change.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub user_metadata: Map<String, Value>,
}

/// Changes to a user. Fields that are `None` keep their values.
#[derive(Clone, Default, Serialize)]
pub struct UserChanges {
    /// The mail address with which the user signs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Whether the address counts as confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_confirm: Option<bool>,
    /// The duration for which the user cannot sign in, such as `24h`, or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ban_duration: Option<String>,
    /// Merged into the metadata that only the service can change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_metadata: Option<Map<String, Value>>,
    /// Merged into the metadata that the user can change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_metadata: Option<Map<String, Value>>,
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
        read(&send(request).await?.1)
    }

    /// Creates a user and has Auth send them a mail with a sign-in link. The link leads on to `redirect_to`.
    /// Fails with [`AuthError::EmailTaken`] if a user has already confirmed the address.
    pub async fn invite(
        &self,
        email: &str,
        redirect_to: Option<&str>,
        user_metadata: &Map<String, Value>,
    ) -> Result<User, AuthError> {
        let mut url = endpoint(self.project, &["auth", "v1", "invite"]);
        if let Some(address) = redirect_to {
            url.query_pairs_mut().append_pair("redirect_to", address);
        }
        let body = serde_json::json!({ "email": email, "data": user_metadata });
        let request = self.request(Method::POST, &url).json(&body);
        read(&send(request).await?.1)
    }

    /// Fetches a user by id.
    pub async fn get_user(&self, id: Uuid) -> Result<User, AuthError> {
        let request = self.request(Method::GET, &self.user(id));
        read(&send(request).await?.1)
    }

    /// One page of users; pages count from 1. The total is the number that Auth states, or else the number of
    /// users on this page.
    pub async fn list_users(&self, page: u32, per_page: u32) -> Result<Page<User>, AuthError> {
        #[derive(Deserialize)]
        struct Users {
            users: Vec<User>,
        }
        let mut url = self.users();
        url.query_pairs_mut()
            .append_pair("page", &page.to_string())
            .append_pair("per_page", &per_page.to_string());
        let (headers, body) = send(self.request(Method::GET, &url)).await?;
        let Users { users } = read(&body)?;
        let stated = headers
            .get("x-total-count")
            .and_then(|total| total.to_str().ok()?.parse().ok());
        Ok(Page {
            total: stated.unwrap_or(users.len() as u64),
            rows: users,
        })
    }

    /// Changes a user.
    pub async fn update_user(&self, id: Uuid, changes: &UserChanges) -> Result<User, AuthError> {
        let request = self.request(Method::PUT, &self.user(id)).json(changes);
        read(&send(request).await?.1)
    }

    /// Deletes a user and their sessions.
    pub async fn delete_user(&self, id: Uuid) -> Result<(), AuthError> {
        send(self.request(Method::DELETE, &self.user(id))).await.map(drop)
    }

    /// Ends all sessions of the user who holds `token`. Access tokens that were already issued stay valid
    /// until they expire.
    pub async fn sign_out_everywhere(&self, token: &AccessToken) -> Result<(), AuthError> {
        let mut url = endpoint(self.project, &["auth", "v1", "logout"]);
        url.query_pairs_mut().append_pair("scope", "global");
        send(self.request_as(Method::POST, &url, Some(token.bearer())))
            .await
            .map(drop)
    }

    fn users(&self) -> Url {
        endpoint(self.project, &["auth", "v1", "admin", "users"])
    }

    fn user(&self, id: Uuid) -> Url {
        endpoint(self.project, &["auth", "v1", "admin", "users", &id.to_string()])
    }

    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.request_as(method, url, self.key.bearer.clone())
    }

    fn request_as(&self, method: Method, url: &Url, bearer: Option<HeaderValue>) -> RequestBuilder {
        let request = self
            .http
            .request(method, url.clone())
            .header("apikey", self.key.header.clone());
        match bearer {
            Some(bearer) => request.header(AUTHORIZATION, bearer),
            None => request,
        }
    }
}

async fn send(request: RequestBuilder) -> Result<(HeaderMap, Vec<u8>), AuthError> {
    let unavailable = |error: reqwest::Error| AuthError::Unavailable(Source::of(&error));
    let mut response = request.send().await.map_err(unavailable)?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let body = response.bytes().await.map_err(unavailable)?;
    if status.is_success() {
        Ok((headers, body.into()))
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
