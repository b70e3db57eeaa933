//! The application's webhook endpoint.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::simulator::PATIENCE;

/// A received webhook.
pub(crate) struct Webhook {
    pub(crate) signature: String,
    pub(crate) body: Bytes,
}

impl Webhook {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The `value` of its only change.
    pub(crate) fn value(&self) -> Value {
        self.json()["entry"][0]["changes"][0]["value"].clone()
    }

    /// The (status, wamid) pairs of all its statuses.
    pub(crate) fn statuses(&self) -> Vec<(String, String)> {
        let value = self.value();
        let statuses = value["statuses"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        statuses
            .iter()
            .map(|status| (text(&status["status"]), text(&status["id"])))
            .collect()
    }
}

struct Inner {
    arrived: mpsc::UnboundedSender<Webhook>,
    answers: Mutex<VecDeque<u16>>,
    gate: tokio::sync::Semaphore,
}

/// A server that keeps the webhooks it receives and answers with the given statuses, or with 200.
pub(crate) struct Receiver {
    pub(crate) url: String,
    inner: Arc<Inner>,
    arrived: mpsc::UnboundedReceiver<Webhook>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let (sender, arrived) = mpsc::unbounded_channel();
        let gate = tokio::sync::Semaphore::new(tokio::sync::Semaphore::MAX_PERMITS);
        let inner = Arc::new(Inner {
            arrived: sender,
            answers: Mutex::default(),
            gate,
        });
        let router = Router::new()
            .route("/webhook", get(verify).post(receive))
            .with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner, arrived }
    }

    /// Sets the next answers. After them it answers with 200 again.
    pub(crate) fn answers(&self, statuses: &[u16]) {
        self.inner.answers.lock().extend(statuses);
    }

    /// Withholds all answers until [`Receiver::answer_again`].
    pub(crate) fn hold_answers(&self) {
        self.inner
            .gate
            .forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    }

    pub(crate) fn answer_again(&self) {
        self.inner.gate.add_permits(10_000);
    }

    /// The next webhook.
    pub(crate) async fn next(&mut self) -> Webhook {
        let next = tokio::time::timeout(PATIENCE, self.arrived.recv()).await;
        next.expect("a webhook arrives in time").unwrap()
    }

    /// Whether all received webhooks have been taken.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.arrived.is_empty()
    }
}

async fn receive(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers
        .get("x-hub-signature-256")
        .map(|value| value.to_str().unwrap().to_owned());
    inner
        .arrived
        .send(Webhook {
            signature: signature.unwrap_or_default(),
            body,
        })
        .ok();
    let _permit = inner.gate.acquire().await.unwrap();
    let status = inner.answers.lock().pop_front().unwrap_or(200);
    StatusCode::from_u16(status).unwrap()
}

#[derive(serde::Deserialize)]
struct Verification {
    #[serde(rename = "hub.verify_token")]
    token: String,
    #[serde(rename = "hub.challenge")]
    challenge: String,
}

async fn verify(Query(query): Query<Verification>) -> (StatusCode, String) {
    if query.token == "verify-me" {
        return (StatusCode::OK, query.challenge);
    }
    (StatusCode::FORBIDDEN, String::new())
}
