//! The message templates of a WhatsApp Business account at Meta.

use reqwest::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::send_error::SendError;
use super::{AGENT, GraphClient, SystemToken, retry_after};

const FIELDS: &str = "id,name,language,status,category,previous_category,parameter_format,components,quality_score,\
rejected_reason";
/// The page size that is asked of Meta.
const PAGE: &str = "100";
/// The largest number of pages: an account has at most 6,000 templates.
const MAX_PAGES: usize = 100;

/// A client for the templates of an account, with a token that may manage them.
#[derive(Debug, Clone, Copy)]
pub struct TemplatesClient<'a> {
    graph: &'a GraphClient,
    account_id: &'a str,
    token: &'a SystemToken,
}

/// A template that is submitted to Meta for review.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TemplateSubmission<'a> {
    /// The name.
    pub name: &'a str,
    /// The language code.
    pub language: &'a str,
    /// `MARKETING`, `UTILITY` or `AUTHENTICATION`.
    pub category: &'a str,
    /// `POSITIONAL` or `NAMED`.
    pub parameter_format: &'a str,
    /// The components, with examples.
    pub components: &'a Value,
}

/// Meta's answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubmittedTemplate {
    /// Meta's id of the template. It exceeds the exact range of a JSON number.
    pub id: String,
    /// The status, usually `PENDING`.
    #[serde(default)]
    pub status: Option<String>,
    /// The category, which Meta may have changed.
    #[serde(default)]
    pub category: Option<String>,
}

/// A template as Meta returns it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct RemoteTemplate {
    /// Meta's id of the template. It exceeds the exact range of a JSON number.
    pub id: String,
    /// The name.
    pub name: String,
    /// The language code.
    pub language: String,
    /// `APPROVED`, `PENDING`, `REJECTED`, `PAUSED`, `DISABLED` and others.
    pub status: String,
    /// `MARKETING`, `UTILITY` or `AUTHENTICATION`.
    pub category: String,
    /// The category before Meta changed it.
    #[serde(default)]
    pub previous_category: Option<String>,
    /// `POSITIONAL` or `NAMED`.
    #[serde(default)]
    pub parameter_format: Option<String>,
    /// The components. The example of a header's file is a download address and cannot be submitted again.
    #[serde(default)]
    pub components: Value,
    /// The quality score: `{"score": "GREEN"}`.
    #[serde(default)]
    pub quality_score: Option<Value>,
    /// The reason of a rejection, otherwise `NONE`.
    #[serde(default)]
    pub rejected_reason: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<RemoteTemplate>,
    #[serde(default)]
    paging: Paging,
}

#[derive(Default, Deserialize)]
struct Paging {
    #[serde(default)]
    cursors: Cursors,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Default, Deserialize)]
struct Cursors {
    #[serde(default)]
    after: Option<String>,
}

impl GraphClient {
    /// The templates of a WhatsApp Business account.
    pub fn templates<'a>(&'a self, account_id: &'a str, token: &'a SystemToken) -> TemplatesClient<'a> {
        TemplatesClient {
            graph: self,
            account_id,
            token,
        }
    }
}

impl TemplatesClient<'_> {
    /// Submits a new template. If the outcome is unknown the template may exist: look it up with
    /// [`TemplatesClient::named`].
    pub async fn create(&self, template: &TemplateSubmission<'_>) -> Result<SubmittedTemplate, SendError> {
        let url = self.graph.url(&[self.account_id, "message_templates"]);
        self.read(self.graph.http.post(url).json(template)).await
    }

    /// Submits new components for a template that is approved, rejected or paused. Safe to repeat, but Meta
    /// limits the number of edits.
    pub async fn edit(
        &self,
        template_id: &str,
        components: &Value,
        category: Option<&str>,
    ) -> Result<(), SendError> {
        #[derive(Serialize)]
        struct Edit<'a> {
            components: &'a Value,
            #[serde(skip_serializing_if = "Option::is_none")]
            category: Option<&'a str>,
        }
        let url = self.graph.url(&[template_id]);
        let edit = Edit { components, category };
        self.call_for_success(self.graph.http.post(url).json(&edit)).await
    }

    /// Reactivates a template that Meta paused for its quality. Safe to repeat.
    pub async fn unpause(&self, template_id: &str) -> Result<(), SendError> {
        let url = self.graph.url(&[template_id, "unpause"]);
        self.call_for_success(self.graph.http.post(url)).await
    }

    /// Deletes one language of a template by its id, or all languages of the name without an id. Safe to
    /// repeat.
    pub async fn delete(&self, name: &str, template_id: Option<&str>) -> Result<(), SendError> {
        let mut url = self.graph.url(&[self.account_id, "message_templates"]);
        url.query_pairs_mut()
            .append_pair("name", name)
            .extend_pairs(template_id.map(|id| ("hsm_id", id)));
        self.call_for_success(self.graph.http.delete(url)).await
    }

    /// Fetches one template. Safe to repeat.
    pub async fn get(&self, template_id: &str) -> Result<RemoteTemplate, SendError> {
        let mut url = self.graph.url(&[template_id]);
        url.query_pairs_mut().append_pair("fields", FIELDS);
        self.read(self.graph.http.get(url)).await
    }

    /// Lists all templates of the account, across all pages. Safe to repeat.
    pub async fn all(&self) -> Result<Vec<RemoteTemplate>, SendError> {
        self.pages(None).await
    }

    /// Lists the languages of a template name. Safe to repeat.
    pub async fn named(&self, name: &str) -> Result<Vec<RemoteTemplate>, SendError> {
        // Meta also returns names that merely contain this one.
        let mut found = self.pages(Some(name)).await?;
        found.retain(|template| template.name == name);
        Ok(found)
    }

    /// Fetches all pages. Fails if one page is missing: a template that is on none of the others might be on
    /// it.
    async fn pages(&self, name: Option<&str>) -> Result<Vec<RemoteTemplate>, SendError> {
        let mut templates = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut url = self.graph.url(&[self.account_id, "message_templates"]);
            url.query_pairs_mut()
                .append_pair("fields", FIELDS)
                .append_pair("limit", PAGE)
                .extend_pairs(name.map(|name| ("name", name)))
                .extend_pairs(after.as_deref().map(|after| ("after", after)));
            let page: Page = self.read(self.graph.http.get(url)).await?;
            templates.extend(page.data);
            after = page.paging.next.and(page.paging.cursors.after);
            if after.is_none() {
                return Ok(templates);
            }
        }
        Err(SendError::unknown("the list of templates does not end"))
    }

    /// The ids of the apps that are subscribed to the account's webhooks. Safe to repeat.
    pub async fn subscribed_apps(&self) -> Result<Vec<String>, SendError> {
        #[derive(Deserialize)]
        struct Apps {
            data: Vec<Value>,
        }
        let url = self.graph.url(&[self.account_id, "subscribed_apps"]);
        let apps: Apps = self.read(self.graph.http.get(url)).await?;
        let id = |app: &Value| {
            app["whatsapp_business_api_data"]["id"]
                .as_str()
                .map(str::to_owned)
        };
        Ok(apps.data.iter().filter_map(id).collect())
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, SendError> {
        parse_answer(&send(&self.token.bearer, request).await?)
    }

    /// Sends a request whose 200 answer may be `{"success": false}` with a reason.
    async fn call_for_success(&self, request: RequestBuilder) -> Result<(), SendError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            success: Option<bool>,
        }
        let body = send(&self.token.bearer, request).await?;
        let answer: Answer = parse_answer(&body)?;
        if answer.success == Some(false) {
            return Err(SendError::from_answer(StatusCode::BAD_REQUEST, &body, None));
        }
        Ok(())
    }
}

/// Sends a request and returns the body of a 200 answer.
pub(super) async fn send(authorization: &HeaderValue, request: RequestBuilder) -> Result<Vec<u8>, SendError> {
    let response = request
        .header(AUTHORIZATION, authorization.clone())
        .header(USER_AGENT, AGENT)
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

pub(super) fn parse_answer<T: DeserializeOwned>(body: &[u8]) -> Result<T, SendError> {
    serde_json::from_slice(body)
        .map_err(|error| SendError::unknown(format!("the answer was not understood: {error}")))
}
