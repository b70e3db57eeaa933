//! A simulator with two numbers, a fixed clock and a receiver for its webhooks.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{TimeZone, Utc};
use crm_local::clock::Clock;
use crm_local::http_server;
use crm_local::meta::{MetaConfig, Simulator};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::receiver::Receiver;

/// A wait that takes longer fails. Nothing is measured with it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const NUMBER: &str = "555000000000001";
pub(crate) const OTHER_NUMBER: &str = "555000000000002";
pub(crate) const ACCOUNT: &str = "555100000000001";
pub(crate) const CUSTOMER: &str = "6281234567890";
pub(crate) const TOKEN: &str = "the-token";
pub(crate) const APP_SECRET: &str = "the-app-secret";

/// A running simulator.
pub(crate) struct Meta {
    pub(crate) url: String,
    pub(crate) clock: Clock,
    pub(crate) receiver: Receiver,
    pub(crate) client: reqwest::Client,
    stop: CancellationToken,
}

/// An answer: status and JSON (null if the body is not JSON).
pub(crate) type Answer = (u16, Value);

impl Drop for Meta {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn template(name: &str, status: &str, body: &str) -> Value {
    json!({"business_account_id": ACCOUNT, "id": format!("77{}", name.len()), "name": name, "language": "id",
        "category": "MARKETING", "status": status, "components": [{"type": "BODY", "text": body}]})
}

impl Meta {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    pub(crate) async fn start_with(state_file: Option<PathBuf>) -> Self {
        let receiver = Receiver::start().await;
        let config: MetaConfig = serde_json::from_value(json!({
            "app_secret": APP_SECRET, "verify_token": "verify-me", "access_token": TOKEN, "app_id": "9",
            "webhook_url": receiver.url, "state_file": state_file,
            "webhook_delay_ms": {"sent": 0, "delivered": 0, "read": 0},
            "numbers": [
                {"phone_number_id": NUMBER, "display_phone_number": "+62 811-1000-0001",
                 "business_account_id": ACCOUNT, "verified_name": "Toko Satu"},
                {"phone_number_id": OTHER_NUMBER, "display_phone_number": "+62 811-1000-0002",
                 "business_account_id": "555100000000002", "verified_name": "Toko Dua"},
            ],
            "templates": [
                template("promo", "APPROVED", "Halo {{1}}, ada promo untuk Anda."),
                template("paused", "PAUSED", "Halo"), template("disabled", "DISABLED", "Halo"),
                template("waiting", "PENDING", "Halo"),
                {"business_account_id": ACCOUNT, "id": "780", "name": "named", "language": "id",
                 "category": "UTILITY", "parameter_format": "NAMED",
                 "components": [{"type": "BODY", "text": "Halo {{name}}, pesanan siap."}]},
            ],
        }))
        .unwrap();
        let clock = Clock::held(Utc.with_ymd_and_hms(2026, 11, 22, 10, 0, 0).unwrap());
        let stop = CancellationToken::new();
        let simulator = Simulator::start(config, clock.clone(), stop.clone()).unwrap();
        let listener = http_server::bind(0, "Meta simulator").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(http_server::serve_router(
            listener,
            stop.clone(),
            Duration::ZERO,
            simulator.router(),
        ));
        let client = crm_local::http_client::build(PATIENCE).unwrap();
        Self {
            url,
            clock,
            receiver,
            client,
            stop,
        }
    }

    pub(crate) async fn send_request(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method.parse().unwrap(), format!("{}{path}", self.url))
            .bearer_auth(TOKEN)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send_request(self.request("GET", path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send_request(self.request("DELETE", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send_request(self.request("POST", path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send_request(self.request("PUT", path).json(body)).await
    }

    /// Sends a message from the first number.
    pub(crate) async fn send(&self, message: &Value) -> Answer {
        self.post(&format!("/v25.0/{NUMBER}/messages"), message).await
    }

    /// Sends a message that must be refused, and returns the HTTP status and the error code.
    pub(crate) async fn refusal(&self, message: &Value) -> (u16, u64) {
        let (status, body) = self.send(message).await;
        assert_eq!(body["error"]["type"], "OAuthException", "{body}");
        assert!(body["error"]["fbtrace_id"].is_string(), "{body}");
        (status, body["error"]["code"].as_u64().unwrap())
    }

    /// Opens the window, so that free-form messages to the customer are accepted.
    pub(crate) async fn open_window(&self, customer: &str) {
        let change = json!({"phone_number_id": NUMBER, "contact": customer, "open": true});
        assert_eq!(self.post("/_sim/windows", &change).await.0, 200);
    }

    pub(crate) async fn settings(&self, change: &Value) {
        let (status, body) = self.put("/_sim/settings", change).await;
        assert_eq!(status, 200, "{body}");
    }

    pub(crate) async fn fault(&self, fault: &Value) {
        let (status, body) = self.post("/_sim/faults", fault).await;
        assert_eq!(status, 200, "{body}");
    }

    pub(crate) async fn summary(&self) -> Value {
        self.get("/_sim/ledger/summary").await.1
    }

    /// Waits until a template has been reviewed.
    pub(crate) async fn becomes_approved(&self, template: &str) {
        let wait = async {
            while self.get(&format!("/v25.0/{template}")).await.1["status"] != "APPROVED" {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("the template is approved");
    }

    /// Waits until every webhook has been answered.
    pub(crate) async fn becomes_idle(&self) {
        let wait = async {
            while self.get("/_sim/idle").await.1["pending_webhooks"] != 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("the webhooks end");
    }
}

pub(crate) fn text(to: &str) -> Value {
    json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "text",
        "text": {"body": "Halo"}})
}

pub(crate) fn promo(to: &str) -> Value {
    json!({"messaging_product": "whatsapp", "to": to, "type": "template", "template": {"name": "promo",
        "language": {"code": "id"}, "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}]}})
}
