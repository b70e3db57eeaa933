//! A client for Meta's Graph API: messages, media files, numbers and business accounts.

mod business_account;
mod content;
pub mod limits;
mod media;
mod message;
mod multipart;
mod number;
mod number_health;
mod problem;
mod send_error;
mod templates;
mod uploads;

use std::fmt;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::GraphVersion;

pub use business_account::BusinessAccountClient;
pub use content::*;
pub use media::{Download, FileToUpload, MediaClient, MediaError, StoredMedia};
pub use message::{MAX_CALLBACK_DATA, OutboundMessage, Recipient};
pub use number::{Accepted, BlockedUser, NumberClient};
pub use number_health::NumberHealth;
pub use problem::{Problem, Reason};
pub use send_error::{MetaError, SendError};
pub use templates::{RemoteTemplate, SubmittedTemplate, TemplateSubmission, TemplatesClient};
pub use uploads::UploadsClient;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("whatsapp-crm/", env!("CARGO_PKG_VERSION")));

/// The Graph API at one address and in one version. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GraphClient {
    http: reqwest::Client,
    base: Url,
}

/// The base address is not http(s).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Graph API base URL is not an http(s) address")]
pub struct InvalidBaseUrl;

/// The access token of a system user; `Debug` does not show it.
#[derive(Clone)]
pub struct SystemToken {
    bearer: HeaderValue,
}

/// The text cannot be an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token is empty or holds characters no token has")]
pub struct InvalidToken;

impl SystemToken {
    /// Reads a token as Meta issues it.
    pub fn parse(token: &str) -> Result<Self, InvalidToken> {
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken);
        }
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| InvalidToken)?;
        bearer.set_sensitive(true);
        Ok(Self { bearer })
    }

    /// The token in plain text. It must be stored encrypted and must not be written anywhere else.
    pub fn expose(&self) -> &str {
        let text = self.bearer.to_str().unwrap_or_default();
        text.strip_prefix("Bearer ").unwrap_or_default()
    }
}

impl fmt::Debug for SystemToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemToken(..)")
    }
}

impl GraphClient {
    /// Builds a client for `base_url` (`https://graph.facebook.com`). It calls through `http` and keeps its
    /// time limits. The HTTP client must not follow redirects or repeat requests automatically, because a
    /// message could be sent twice.
    pub fn new(http: reqwest::Client, base_url: &str, version: GraphVersion) -> Result<Self, InvalidBaseUrl> {
        let mut base = Url::parse(base_url.trim()).map_err(|_| InvalidBaseUrl)?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(InvalidBaseUrl);
        }
        base.set_query(None);
        base.set_fragment(None);
        if let Ok(mut path) = base.path_segments_mut() {
            path.pop_if_empty().push(&version.to_string());
        }
        Ok(Self { http, base })
    }

    /// One of our numbers.
    pub fn number<'a>(&'a self, phone_number_id: &'a str, token: &'a SystemToken) -> NumberClient<'a> {
        NumberClient::new(self, phone_number_id, token)
    }

    /// A WhatsApp Business account.
    pub fn business_account<'a>(&'a self, id: &'a str, token: &'a SystemToken) -> BusinessAccountClient<'a> {
        BusinessAccountClient::new(self, id, token)
    }

    /// The media files at Meta.
    pub fn media<'a>(&'a self, token: &'a SystemToken) -> MediaClient<'a> {
        MediaClient::new(self, token)
    }

    /// `{base}/{version}/{segments…}`, each segment percent-encoded.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(segments);
        }
        url
    }

    /// Sends a request and returns the body of a 200 answer.
    async fn call(&self, token: &SystemToken, request: RequestBuilder) -> Result<Vec<u8>, SendError> {
        let response = authorized(token, request)
            .send()
            .await
            .map_err(|error| SendError::without_answer(&error))?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        match response.bytes().await {
            Ok(body) if status == StatusCode::OK => Ok(body.into()),
            Ok(body) => Err(SendError::from_answer(status, &body, retry_after)),
            Err(error) => Err(SendError::broken_answer(status, &error)),
        }
    }

    /// Sends a request and reads the JSON of a 200 answer.
    async fn read<T: DeserializeOwned>(
        &self,
        token: &SystemToken,
        request: RequestBuilder,
    ) -> Result<T, SendError> {
        let body = self.call(token, request).await?;
        serde_json::from_slice(&body)
            .map_err(|error| SendError::unknown(format!("the answer was not understood: {error}")))
    }
}

fn authorized(token: &SystemToken, request: RequestBuilder) -> RequestBuilder {
    request
        .header(AUTHORIZATION, token.bearer.clone())
        .header(USER_AGENT, AGENT)
}

/// The `Retry-After` header in seconds. Meta does not send dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
