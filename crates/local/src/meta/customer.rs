//! Messages from the customer's phone.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::account::{NumberState, digits};
use super::control::{self, json_answer};
use super::journal::Record;
use super::webhooks::outbox::{Delivery, Update, redelivery_at};
use super::webhooks::payload;
use super::{Simulator, wamid};
use crate::error_body::ErrorBody;

/// The age at which a stored window is written to the journal again when a newer message arrives.
const KEEP_EVERY_MS: i64 = 60_000;

/// `POST /_sim/customer/messages`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomerMessage {
    phone_number_id: String,
    /// The customer's phone number. Absent for a customer who is known only by `user_id`.
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    text: Option<String>,
    /// The element of `messages[]`. `from`, `id` and `timestamp` are added if they are absent.
    #[serde(default)]
    message: Option<Value>,
}

pub(crate) async fn write(State(simulator): State<Arc<Simulator>>, body: Bytes) -> Response {
    match control::parse::<CustomerMessage>(&body) {
        Ok(message) => receive(&simulator, message)
            .await
            .unwrap_or_else(IntoResponse::into_response),
        Err(refusal) => refusal.into_response(),
    }
}

fn wrong(message: impl Into<String>) -> ErrorBody {
    ErrorBody::new(StatusCode::BAD_REQUEST, "invalid_request", message)
}

async fn receive(simulator: &Arc<Simulator>, message: CustomerMessage) -> Result<Response, ErrorBody> {
    let number = control::number(simulator, &message.phone_number_id)?;
    let now = simulator.clock.now_ms();
    let from = message
        .from
        .as_deref()
        .map(digits)
        .filter(|from| !from.is_empty());
    let mut element = match (message.message, message.text) {
        (Some(element @ Value::Object(_)), None) => element,
        (None, Some(text)) => json!({"type": "text", "text": {"body": text}}),
        _ => return Err(wrong("give either text or message (an object)")),
    };
    let from = from.or_else(|| element["from"].as_str().map(str::to_owned));
    let user_id = message
        .user_id
        .or_else(|| element["from_user_id"].as_str().map(str::to_owned));
    let Some(sender) = from.clone().or_else(|| user_id.clone()) else {
        return Err(wrong("from or user_id is needed"));
    };
    let fill = |element: &mut Value, name: &str, value: String| {
        if element[name].is_null() {
            element[name] = json!(value);
        }
    };
    if let Some(from) = &from {
        fill(&mut element, "from", from.clone());
    }
    if let Some(user_id) = &user_id {
        fill(&mut element, "from_user_id", user_id.clone());
    }
    fill(&mut element, "id", wamid::inbound(&sender));
    fill(&mut element, "timestamp", (now / 1_000).to_string());
    let wamid = element["id"].as_str().unwrap_or_default().to_owned();
    number.remember_received(&wamid);
    // System notices come from WhatsApp, not from the customer.
    let opens_window = element["type"] != "system";
    for contact in from.iter().chain(user_id.iter()) {
        if let Some(name) = &message.name {
            number.remember_name(contact, name);
        }
        if opens_window {
            open_window(simulator, &number, contact, now);
        }
    }
    let contact = contact_element(from.as_deref(), user_id.as_deref(), message.name.as_deref());
    let body = Bytes::from(payload::customer_message(&number, &contact, &element));
    deliver(simulator, &number, body, &wamid).await
}

fn contact_element(from: Option<&str>, user_id: Option<&str>, name: Option<&str>) -> Value {
    let mut contact = json!({"profile": {"name": name.or(from).unwrap_or("Customer")}});
    if let Some(from) = from {
        contact["wa_id"] = json!(from);
    }
    if let Some(user_id) = user_id {
        contact["user_id"] = json!(user_id);
    }
    contact
}

/// Opens the pair's window and journals it at most once a minute.
pub(crate) fn open_window(simulator: &Simulator, number: &NumberState, contact: &str, now: i64) {
    let before = number.open_window(contact, now);
    if before.is_none_or(|before| now - before >= KEEP_EVERY_MS) {
        simulator.journal.append(&Record::Window {
            phone_number_id: number.config.phone_number_id.clone(),
            contact: contact.to_owned(),
            opened_at: now,
        });
    }
}

/// Posts the message at once and returns the outcome. If the answer is not 200, the message is redelivered
/// like any other webhook.
async fn deliver(
    simulator: &Simulator,
    number: &NumberState,
    body: Bytes,
    wamid: &str,
) -> Result<Response, ErrorBody> {
    let Some(url) = simulator.poster.message_url(&number.config.business_account_id) else {
        return Err(ErrorBody::new(
            StatusCode::CONFLICT,
            "not_subscribed",
            "the app is not subscribed to the business account of this number",
        ));
    };
    let queue = |attempts| {
        let delivery = Delivery {
            url: url.clone(),
            body: body.clone(),
            updates: 1,
            attempts,
        };
        let due = match attempts {
            0 => Instant::now(),
            _ => redelivery_at(&simulator.settings().redelivery_ms, attempts),
        };
        simulator.outbox.schedule(due, Update::Delivery(delivery));
    };
    if !simulator.settings().deliver_webhooks {
        queue(0);
        return Ok(json_answer(
            &json!({"wamid": wamid, "webhook_status": null, "queued": true}),
        ));
    }
    let counts = &simulator.outbox.counts;
    let answered = simulator.poster.post(&url, body.clone()).await;
    let (status, reason) = match answered {
        Ok(answered) => (Some(answered.status), answered.body),
        Err(reason) => (None, reason),
    };
    if status == Some(200) {
        counts.sent.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        return Ok(json_answer(
            &json!({"wamid": wamid, "webhook_status": 200, "queued": false}),
        ));
    }
    counts.failed.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    queue(1);
    Ok(json_answer(
        &json!({"wamid": wamid, "webhook_status": status, "webhook_error": reason, "queued": true}),
    ))
}
