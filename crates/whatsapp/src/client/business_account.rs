//! A WhatsApp Business account: its numbers, and the subscription of our app to its webhooks.

use serde::Deserialize;
use serde_json::json;

use super::number_health::{self, NumberHealth};
use super::send_error::SendError;
use super::{GraphClient, SystemToken};

/// The page size that is asked of Meta.
const PAGE: &str = "100";
/// The largest number of pages. No account has more numbers than they hold.
const MAX_PAGES: usize = 20;

/// A client for one WhatsApp Business account, with a token that may manage it.
#[derive(Debug, Clone, Copy)]
pub struct BusinessAccountClient<'a> {
    graph: &'a GraphClient,
    id: &'a str,
    token: &'a SystemToken,
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
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

impl<'a> BusinessAccountClient<'a> {
    pub(super) fn new(graph: &'a GraphClient, id: &'a str, token: &'a SystemToken) -> Self {
        Self { graph, id, token }
    }

    /// Lists all numbers of the account, across all pages. Safe to repeat.
    pub async fn phone_numbers(&self) -> Result<Vec<NumberHealth>, SendError> {
        let mut numbers = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let url = self.numbers_url(after.as_deref());
            let page: Page<NumberHealth> = self.graph.read(self.token, self.graph.http.get(url)).await?;
            numbers.extend(page.data);
            after = page.paging.next.and(page.paging.cursors.after);
            if after.is_none() {
                break;
            }
        }
        Ok(numbers)
    }

    fn numbers_url(&self, after: Option<&str>) -> reqwest::Url {
        let mut url = self.graph.url(&[self.id, "phone_numbers"]);
        url.query_pairs_mut()
            .append_pair("fields", number_health::FIELDS)
            .append_pair("limit", PAGE)
            .extend_pairs(after.map(|after| ("after", after)));
        url
    }

    /// Subscribes our app to the account's webhooks. Safe to repeat.
    pub async fn subscribe(&self) -> Result<(), SendError> {
        let url = self.graph.url(&[self.id, "subscribed_apps"]);
        let request = self.graph.http.post(url).json(&json!({}));
        self.graph.call(self.token, request).await.map(drop)
    }

    /// Ends the subscription: webhooks of all the account's numbers stop.
    pub async fn unsubscribe(&self) -> Result<(), SendError> {
        let request = self
            .graph
            .http
            .delete(self.graph.url(&[self.id, "subscribed_apps"]));
        self.graph.call(self.token, request).await.map(drop)
    }
}
