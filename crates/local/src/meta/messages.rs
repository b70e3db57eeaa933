//! `POST /{PNID}/messages`: checks a message as strictly as Meta, accepts it and schedules its statuses.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Simulator;
use super::account::{NumberState, digits};
use super::fault::{Fault, FaultKind};
use super::graph::{Call, answer, text_answer};
use super::graph_error::GraphError;
use super::ledger::{Answer, Entry, Status};
use super::template::Template;
use super::webhooks::outbox::Update;
use super::webhooks::payload::{Pricing, StatusUpdate, is_user_id};
use super::{message_rules, template_fill, wamid};
use crate::http_server::HangUpInstead;

/// A delay that is longer than any caller waits.
const NO_ANSWER_DELAY: Duration = Duration::from_secs(600);

pub(crate) async fn post(simulator: &Arc<Simulator>, call: Call) -> Result<Response, GraphError> {
    let Some(number) = simulator.accounts.number(&call.node) else {
        return Err(call.no_such_object());
    };
    let body = call.body().await?;
    let invalid = || GraphError::invalid_parameter("Invalid JSON in the body");
    // Make a copy of exactly this length. The ledger keeps it, and the received bytes may belong to a much
    // larger read buffer.
    let text = std::str::from_utf8(&body).map_err(|_| invalid())?.to_owned();
    let message: Value = serde_json::from_str(&text).map_err(|_| invalid())?;
    if message["status"].is_string() {
        return mark_read(simulator, &number, &message).map(|value| answer(&value));
    }
    let fault = simulator
        .faults
        .take_for(&number.config.phone_number_id, &recipient_of(&message));
    if let Some(fault) = &fault
        && let Some(refusal) = refuse_for(simulator, fault).await
    {
        return refusal;
    }
    let payload = RawValue::from_string(text).map_err(|_| invalid())?;
    let accepted = accept(simulator, &number, &message, payload, fault.as_ref())?;
    let delay = simulator.settings().response_delay_ms;
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    Ok(match fault.map(|fault| fault.kind) {
        Some(FaultKind::AcceptThenDrop) => close_connection(),
        Some(FaultKind::Timeout) => {
            tokio::time::sleep(NO_ANSWER_DELAY).await;
            close_connection()
        }
        Some(FaultKind::Malformed) => text_answer(
            StatusCode::OK,
            "{\"messaging_product\":\"whatsapp\",\"contacts\":[{\"inp".to_owned(),
        ),
        _ => accepted,
    })
}

fn close_connection() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(HangUpInstead);
    response
}

/// The answer to a send that a fault prevents from being accepted.
async fn refuse_for(simulator: &Simulator, fault: &Fault) -> Option<Result<Response, GraphError>> {
    match fault.kind {
        FaultKind::ErrorCode => {
            let code = fault.code.unwrap_or_default();
            let mut error = match &fault.details {
                Some(details) => GraphError::with_details(code, details),
                None => GraphError::of(code),
            };
            if let Some(status) = fault.status.and_then(|status| StatusCode::from_u16(status).ok()) {
                error = error.status(status);
            }
            Some(Err(if fault.is_transient {
                error.transient()
            } else {
                error
            }))
        }
        FaultKind::HttpStatus => {
            let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            simulator.ledger.refuse(format!("http_{}", status.as_u16()));
            let mut response = Response::new(Body::from(
                "<html><body>Sorry, something went wrong.</body></html>",
            ));
            *response.status_mut() = status;
            Some(Ok(response))
        }
        FaultKind::Timeout if !fault.accept => {
            simulator.ledger.refuse("timeout".to_owned());
            tokio::time::sleep(NO_ANSWER_DELAY).await;
            Some(Ok(close_connection()))
        }
        FaultKind::Timeout | FaultKind::AcceptThenDrop | FaultKind::Malformed | FaultKind::FailedStatus => {
            None
        }
    }
}

/// The recipient in the form that faults use.
fn recipient_of(message: &Value) -> String {
    match message["to"].as_str() {
        Some(to) => digits(to),
        None => message["recipient"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Handles `status: "read"`, with or without the typing indicator.
fn mark_read(simulator: &Simulator, number: &NumberState, message: &Value) -> Result<Value, GraphError> {
    check_product(message)?;
    if message["status"] != "read" {
        return Err(GraphError::invalid_parameter(
            "Param status must be one of {READ}",
        ));
    }
    let Some(id) = message["message_id"].as_str() else {
        return Err(GraphError::with_details(
            131_008,
            "The parameter message_id is required.",
        ));
    };
    if !number.has_received(id) {
        return Err(GraphError::with_details(131_009, "Message ID is invalid"));
    }
    let typing = &message["typing_indicator"];
    if !typing.is_null() && typing["type"] != "text" {
        return Err(GraphError::with_details(
            131_009,
            "Param typing_indicator['type'] must be text",
        ));
    }
    simulator
        .reads
        .record(&number.config.phone_number_id, id, !typing.is_null());
    Ok(json!({"success": true}))
}

fn check_product(message: &Value) -> Result<(), GraphError> {
    match message["messaging_product"].as_str() {
        Some("whatsapp") => Ok(()),
        None => Err(GraphError::invalid_parameter(
            "The parameter messaging_product is required.",
        )),
        Some(_) => Err(GraphError::invalid_parameter(
            "Param messaging_product must be one of {WHATSAPP}",
        )),
    }
}

/// The fields that all message types have.
struct Envelope<'a> {
    input: &'a str,
    to: String,
    kind: &'a str,
    callback_data: Option<&'a str>,
}

fn envelope<'a>(number: &NumberState, message: &'a Value) -> Result<Envelope<'a>, GraphError> {
    check_product(message)?;
    if !matches!(message["recipient_type"].as_str(), None | Some("individual")) {
        return Err(GraphError::with_details(
            131_009,
            "Param recipient_type must be individual",
        ));
    }
    let (input, to) = match (message["to"].as_str(), message["recipient"].as_str()) {
        (Some(to), _) => (to, phone(number, to)?),
        (None, Some(user_id)) => (user_id, user(user_id)?),
        (None, None) => return Err(GraphError::with_details(131_008, "The parameter to is required.")),
    };
    let callback_data = match &message["biz_opaque_callback_data"] {
        Value::Null => None,
        Value::String(data) if data.chars().count() <= 512 => Some(data.as_str()),
        _ => {
            let details = "Param biz_opaque_callback_data must be a string of at most 512 characters";
            return Err(GraphError::with_details(131_009, details));
        }
    };
    let context = &message["context"];
    if !context.is_null() && context["message_id"].as_str().is_none_or(str::is_empty) {
        return Err(GraphError::with_details(
            131_009,
            "Param context['message_id'] must be a message id",
        ));
    }
    let kind = match &message["type"] {
        Value::Null => "text",
        Value::String(kind) => kind,
        _ => return Err(GraphError::with_details(131_009, "Param type must be a string")),
    };
    Ok(Envelope {
        input,
        to,
        kind,
        callback_data,
    })
}

fn phone(number: &NumberState, to: &str) -> Result<String, GraphError> {
    let to = digits(to);
    if !(8..=15).contains(&to.len()) {
        return Err(GraphError::with_details(
            131_009,
            "Param to must be a phone number with its country code",
        ));
    }
    if to == number.digits {
        return Err(GraphError::with_details(
            131_021,
            "Sender and recipient are the same phone number",
        ));
    }
    Ok(to)
}

fn user(user_id: &str) -> Result<String, GraphError> {
    let mut parts = user_id.split('.');
    let country = parts
        .next()
        .is_some_and(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
    let rest: Vec<&str> = parts.collect();
    let name = match rest.as_slice() {
        [name] | ["ENT", name] => Some(*name),
        _ => None,
    };
    let right =
        |name: &str| (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !country || !name.is_some_and(right) {
        return Err(GraphError::with_details(
            131_009,
            "Param recipient must be a business-scoped user id",
        ));
    }
    Ok(user_id.to_owned())
}

fn accept(
    simulator: &Simulator,
    number: &Arc<NumberState>,
    message: &Value,
    payload: Box<RawValue>,
    fault: Option<&Fault>,
) -> Result<Response, GraphError> {
    let envelope = envelope(number, message)?;
    let now = simulator.clock.now_ms();
    let window_is_open = number.window_is_open(&envelope.to, now);
    let template = if envelope.kind == "template" {
        Some(checked_template(
            simulator,
            number,
            &envelope,
            &message["template"],
        )?)
    } else {
        message_rules::check(envelope.kind, message, &|id| simulator.media.contains(id))?;
        if !window_is_open {
            return Err(GraphError::with_details(
                131_047,
                "Message failed to send because more than 24 hours have passed since the customer last replied to \
                 this number.",
            ));
        }
        None
    };
    let settings = simulator.settings();
    if !number.within_throughput(settings.throughput, now) {
        return Err(GraphError::with_details(
            130_429,
            "Cloud API message throughput has been reached.",
        ));
    }
    if settings.pair_limit && !number.within_pair_limit(&envelope.to, now) {
        return Err(GraphError::with_details(
            131_056,
            "Message failed to send because there were too many messages sent from this phone number to the same \
             phone number in a short period of time.",
        ));
    }
    let entry = Arc::new(Entry {
        wamid: wamid::outbound(&envelope.to),
        phone_number_id: number.config.phone_number_id.clone(),
        to: envelope.to,
        kind: envelope.kind.to_owned(),
        template: template.as_ref().map(|template| template.name.clone()),
        biz_opaque_callback_data: envelope.callback_data.map(str::to_owned),
        accepted_at: now,
        answer: match fault.map(|fault| fault.kind) {
            Some(FaultKind::AcceptThenDrop) => Answer::Dropped,
            Some(FaultKind::Malformed) => Answer::Malformed,
            Some(FaultKind::Timeout) => Answer::TimedOut,
            _ => Answer::Accepted,
        },
        statuses: Mutex::default(),
        payload,
    });
    simulator.ledger.push(entry.clone());
    let failure = match fault {
        Some(Fault {
            kind: FaultKind::FailedStatus,
            code: Some(code),
            details,
            ..
        }) => Some(details.as_ref().map_or_else(
            || GraphError::of(*code),
            |text| GraphError::with_details(*code, text),
        )),
        // In this simulator, phone numbers that end in 000000 are not on WhatsApp.
        _ if !is_user_id(&entry.to) && entry.to.ends_with("000000") => Some(GraphError::of(131_026)),
        _ => None,
    };
    let pricing = Pricing::of(
        template.as_ref().map(|template| template.category.as_str()),
        window_is_open,
    );
    schedule_statuses(simulator, number, &entry, pricing, failure);
    let id_name = if is_user_id(&entry.to) { "user_id" } else { "wa_id" };
    Ok(answer(&json!({
        "messaging_product": "whatsapp",
        "contacts": [{"input": envelope.input, (id_name): entry.to}],
        "messages": [{"id": entry.wamid, "message_status": "accepted"}],
    })))
}

fn checked_template(
    simulator: &Simulator,
    number: &NumberState,
    envelope: &Envelope<'_>,
    object: &Value,
) -> Result<Arc<Template>, GraphError> {
    let missing =
        |name: &str| GraphError::with_details(131_008, format!("The parameter {name} is required."));
    if !object.is_object() {
        return Err(missing("template"));
    }
    let name = object["name"]
        .as_str()
        .ok_or_else(|| missing("template['name']"))?;
    let language = object["language"]["code"]
        .as_str()
        .ok_or_else(|| missing("template['language']['code']"))?;
    let template = simulator
        .accounts
        .template(&number.config.business_account_id, name, language);
    let unusable = || {
        let details = format!("template name ({name}) does not exist in {language}");
        GraphError::with_details(132_001, details)
    };
    let template = template.ok_or_else(unusable)?;
    match template.status.as_str() {
        "APPROVED" => {}
        "PAUSED" => {
            return Err(GraphError::with_details(
                132_015,
                "The template is paused because of its quality",
            ));
        }
        "DISABLED" => {
            return Err(GraphError::with_details(
                132_016,
                "The template is disabled because of its quality",
            ));
        }
        _ => return Err(unusable()),
    }
    if template.is_authentication() && is_user_id(&envelope.to) {
        return Err(GraphError::of(131_062));
    }
    template_fill::check(&template, &object["components"])?;
    Ok(template)
}

fn schedule_statuses(
    simulator: &Simulator,
    number: &Arc<NumberState>,
    entry: &Arc<Entry>,
    pricing: Pricing,
    failure: Option<GraphError>,
) {
    let settings = simulator.settings();
    let delays = settings.webhook_delay_ms;
    let now = Instant::now();
    let schedule = |status, delay, failure| {
        let update = StatusUpdate {
            number: number.clone(),
            entry: entry.clone(),
            status,
            pricing,
            failure,
        };
        simulator
            .outbox
            .schedule(now + Duration::from_millis(delay), Update::Status(update));
    };
    if let Some(failure) = failure {
        schedule(Status::Failed, delays.sent, Some(Arc::new(failure)));
        return;
    }
    schedule(Status::Sent, delays.sent, None);
    let delivered = delays.delivered.max(delays.sent);
    schedule(Status::Delivered, delivered, None);
    let count = simulator.deliveries.fetch_add(1, Ordering::Relaxed);
    if is_read(count, settings.read_ratio) {
        schedule(Status::Read, delays.read.max(delivered), None);
    }
}

/// Spreads the share of read messages evenly, so that tests can predict the counts.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts stay far below the precision of f64"
)]
fn is_read(count: u64, ratio: f64) -> bool {
    let upto = |number: u64| (number as f64 * ratio).floor();
    upto(count + 1) > upto(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_read_messages_is_exact() {
        let read = |ratio| (0..1_000).filter(|count| is_read(*count, ratio)).count();
        assert_eq!([read(0.0), read(0.25), read(1.0)], [0, 250, 1_000]);
    }

    #[test]
    fn user_ids_have_a_country_and_a_name() {
        assert!(user("US.13491208655302741918").is_ok() && user("ID.ENT.123").is_ok());
        for text in ["us.1", "US", "US.", "US.1.2", "US.a-b", "628123456789"] {
            assert!(user(text).is_err(), "{text}");
        }
    }
}
