//! Sending messages and asking after numbers.

mod message;
mod number_health;
mod send_error;

use std::fmt;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;

use crate::GraphVersion;

pub use message::{Content, MAX_CALLBACK_DATA, OutboundMessage, Recipient};
pub use number_health::NumberHealth;
pub use send_error::{MetaError, SendError};

const AGENT: HeaderValue = HeaderValue::from_static(concat!("whatsapp-crm/", env!("CARGO_PKG_VERSION")));

/// The Graph API at one address and in one version; cheap to clone.
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

/// One of our numbers, with the token that may use it.
#[derive(Debug, Clone, Copy)]
pub struct NumberClient<'a> {
    graph: &'a GraphClient,
    phone_number_id: &'a str,
    token: &'a SystemToken,
}

/// Meta has taken a message over. Whether it arrives is told by webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Meta's id of the message; holds a phone number, so it is personal data.
    pub wamid: String,
    /// The recipient's WhatsApp id, which may differ from the number that was dialled.
    pub wa_id: Option<String>,
    /// The recipient's business-scoped id.
    pub user_id: Option<String>,
    /// `accepted`, `held_for_quality_assessment`, `paused`.
    pub message_status: Option<String>,
}

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
}

impl fmt::Debug for SystemToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemToken(..)")
    }
}

impl GraphClient {
    /// A client for `base_url` (`https://graph.facebook.com`), calling through `http` and within its time limits.
    /// The HTTP client must not follow redirects or repeat requests on its own: a message could go out twice.
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
        NumberClient {
            graph: self,
            phone_number_id,
            token,
        }
    }

    /// `{base}/{version}/{segments…}`, each segment percent-encoded.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(segments);
        }
        url
    }
}

impl NumberClient<'_> {
    /// Hands a message over, once.
    pub async fn send(&self, message: &OutboundMessage) -> Result<Accepted, SendError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            contacts: Vec<Contact>,
            messages: Vec<Sent>,
        }
        #[derive(Deserialize)]
        struct Contact {
            wa_id: Option<String>,
            user_id: Option<String>,
        }
        #[derive(Deserialize)]
        struct Sent {
            id: String,
            message_status: Option<String>,
        }

        let url = self.graph.url(&[self.phone_number_id, "messages"]);
        let body = self.call(self.graph.http.post(url).json(message)).await?;
        let unreadable = || SendError::OutcomeUnknown {
            reason: "the answer to a sent message was not understood".into(),
        };
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| unreadable())?;
        let sent = answer
            .messages
            .into_iter()
            .next()
            .filter(|sent| !sent.id.is_empty())
            .ok_or_else(unreadable)?;
        let contact = answer.contacts.into_iter().next();
        let (wa_id, user_id) = contact
            .map(|contact| (contact.wa_id, contact.user_id))
            .unwrap_or_default();
        Ok(Accepted {
            wamid: sent.id,
            wa_id,
            user_id,
            message_status: sent.message_status,
        })
    }

    /// Tells the sender of a message that it was read. Safe to repeat.
    pub async fn mark_read(&self, wamid: &str) -> Result<(), SendError> {
        let url = self.graph.url(&[self.phone_number_id, "messages"]);
        let body = json!({"messaging_product": "whatsapp", "status": "read", "message_id": wamid});
        self.call(self.graph.http.post(url).json(&body)).await.map(drop)
    }

    /// What Meta says about the number. Safe to repeat.
    pub async fn health(&self) -> Result<NumberHealth, SendError> {
        let mut url = self.graph.url(&[self.phone_number_id]);
        url.query_pairs_mut().append_pair("fields", number_health::FIELDS);
        let body = self.call(self.graph.http.get(url)).await?;
        serde_json::from_slice(&body).map_err(|error| SendError::OutcomeUnknown {
            reason: format!("the answer was not understood: {error}"),
        })
    }

    async fn call(&self, request: RequestBuilder) -> Result<Vec<u8>, SendError> {
        let request = request
            .header(AUTHORIZATION, self.token.bearer.clone())
            .header(USER_AGENT, AGENT);
        let response = request
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
}

/// Seconds only; Meta sends no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
