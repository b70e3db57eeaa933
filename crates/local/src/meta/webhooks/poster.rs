//! Signed POSTs to the application.

use std::sync::Arc;

use bytes::Bytes;
use http::header;

use super::signed_json::signature;
use crate::meta::account::Accounts;

/// The application's answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// The addresses and the signature of webhooks.
#[derive(Debug)]
pub(crate) struct Poster {
    pub(crate) client: reqwest::Client,
    pub(crate) app_secret: String,
    pub(crate) verify_token: String,
    pub(crate) webhook_url: String,
    pub(crate) accounts: Arc<Accounts>,
}

impl Poster {
    /// The address for message webhooks of a WABA; `None` if the app is not subscribed.
    pub(crate) fn message_url(&self, business_account_id: &str) -> Option<String> {
        let subscription = self.accounts.subscription(business_account_id);
        subscription.subscribed.then(|| {
            subscription
                .override_callback_uri
                .unwrap_or_else(|| self.webhook_url.clone())
        })
    }

    /// The address for events of a WABA. An override does not apply to them.
    pub(crate) fn account_url(&self, business_account_id: &str) -> Option<String> {
        self.accounts
            .subscription(business_account_id)
            .subscribed
            .then(|| self.webhook_url.clone())
    }

    /// Signs and posts a body. The error text contains no address.
    pub(crate) async fn post(&self, url: &str, body: Bytes) -> Result<Answered, String> {
        let signature = signature(&self.app_secret, &body);
        let request = self
            .client
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "facebookexternalua")
            .header("X-Hub-Signature-256", signature)
            .body(body);
        let response = request
            .send()
            .await
            .map_err(|error| error.without_url().to_string())?;
        let status = response.status().as_u16();
        let body = response
            .text()
            .await
            .map_err(|error| error.without_url().to_string())?;
        Ok(Answered { status, body })
    }

    /// Verifies a callback address with a challenge, as the App Dashboard does. The error says why it failed.
    pub(crate) async fn verify(&self, url: &str, verify_token: &str) -> Result<Answered, String> {
        let challenge = uuid::Uuid::new_v4().as_u128() % 1_000_000_000;
        let challenge = challenge.to_string();
        let query = [
            ("hub.mode", "subscribe"),
            ("hub.verify_token", verify_token),
            ("hub.challenge", challenge.as_str()),
        ];
        let request = self
            .client
            .get(url)
            .query(&query)
            .header(header::USER_AGENT, "facebookplatform/1.0");
        let response = request
            .send()
            .await
            .map_err(|error| error.without_url().to_string())?;
        let status = response.status().as_u16();
        let body = response
            .text()
            .await
            .map_err(|error| error.without_url().to_string())?;
        if status != 200 {
            return Err(format!("the callback answered {status}"));
        }
        if body != challenge {
            return Err("the callback did not answer with the challenge".to_owned());
        }
        Ok(Answered { status, body })
    }
}
