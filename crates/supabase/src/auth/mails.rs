//! The mails that Auth sends for us, with the service key.

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::auth_error::{AuthError, send};
use crate::endpoint;
use crate::key::ApiKey;

/// A client for the requests by which Auth sends mails.
pub struct AuthMails<'a> {
    http: &'a reqwest::Client,
    project: &'a Url,
    key: &'a ApiKey,
}

impl<'a> AuthMails<'a> {
    pub(crate) fn new(http: &'a reqwest::Client, project: &'a Url, key: &'a ApiKey) -> Self {
        Self { http, project, key }
    }

    /// Has Auth send an invitation. Auth creates an account without a password if there is none. The link in the mail
    /// confirms the address, signs its owner in and leads to `redirect_to`. Fails with [`AuthError::EmailTaken`] if the
    /// address is confirmed.
    pub async fn send_invitation(&self, email: &str, redirect_to: &str) -> Result<(), AuthError> {
        let body = json!({ "email": email, "data": {} });
        self.post(&["auth", "v1", "invite"], redirect_to, &body).await
    }

    /// Has Auth send the owner of a confirmed account a link that signs them in and leads to `redirect_to`.
    pub async fn send_sign_in_link(&self, email: &str, redirect_to: &str) -> Result<(), AuthError> {
        let body = json!({ "email": email, "create_user": false });
        self.post(&["auth", "v1", "otp"], redirect_to, &body).await
    }

    async fn post(&self, path: &[&str], redirect_to: &str, body: &Value) -> Result<(), AuthError> {
        let mut url = endpoint(self.project, path);
        url.query_pairs_mut().append_pair("redirect_to", redirect_to);
        let mut request = self
            .http
            .request(Method::POST, url)
            .header("apikey", self.key.header.clone())
            .json(body);
        if let Some(bearer) = &self.key.bearer {
            request = request.header(AUTHORIZATION, bearer.clone());
        }
        send(request).await
    }
}
