//! The account of a signed-in person, with their own token.

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Url};
use serde_json::json;

use super::AccessToken;
use super::auth_error::{AuthError, send};
use crate::endpoint;
use crate::key::ApiKey;

/// The account of the person who holds a token.
pub struct Account<'a> {
    http: &'a reqwest::Client,
    project: &'a Url,
    key: &'a ApiKey,
    token: &'a AccessToken,
}

impl<'a> Account<'a> {
    pub(crate) fn new(
        http: &'a reqwest::Client,
        project: &'a Url,
        key: &'a ApiKey,
        token: &'a AccessToken,
    ) -> Self {
        Self {
            http,
            project,
            key,
            token,
        }
    }

    /// Replaces the password, and ends every other session of the account.
    pub async fn set_password(&self, password: &str) -> Result<(), AuthError> {
        let url = endpoint(self.project, &["auth", "v1", "user"]);
        let request = self
            .http
            .request(Method::PUT, url)
            .header("apikey", self.key.header.clone())
            .header(AUTHORIZATION, self.token.bearer())
            .json(&json!({ "password": password }));
        send(request).await
    }
}
