//! `/_sim/`: endpoints that inspect and control the simulator. They need no token, because only this machine
//! reaches them.
//!
//! | Call | Effect |
//! |---|---|
//! | `GET /_sim/ledger?phone_number_id=&to=&type=&template=&biz_opaque_callback_data=&wamid=&offset=&limit=` | `{total, entries}`, in order of acceptance |
//! | `GET /_sim/ledger/summary` (same filters) | counts: accepted, recipients, duplicates, by status, refused by code, webhooks |
//! | `GET /_sim/idle` | `{pending_webhooks}`: 0 once every update has been answered with 200 |
//! | `POST /_sim/customer/messages` `{phone_number_id, from, name?, user_id?, text}` or `{.., message: {type, ..}}` | sends a customer's message: `{wamid, webhook_status, queued}` |
//! | `POST /_sim/tokens` `{token, valid}` | issues or revokes an access token |
//! | `GET /_sim/reads` | `{reads}`: the customers' messages that were marked as read, and whether typing was shown |
//! | `POST /_sim/windows` `{phone_number_id, contact, open}` | opens or closes the 24-hour window of a pair |
//! | `POST /_sim/webhooks` any body | signs and posts the body unchanged: `{status, body}` |
//! | `POST /_sim/webhooks/verification` | sends the `hub.challenge` request: `{verified, reason?}` |
//! | `GET`, `PUT /_sim/settings` | see [`super::settings`]; absent settings keep their values |
//! | `GET`, `POST`, `DELETE /_sim/faults` | see [`super::fault`] |
//! | `GET`, `POST /_sim/numbers`, `/_sim/templates` | lists, adds and changes; a webhook reports a changed template status |
//! | `POST /_sim/reset` `{windows?: true}` | clears the ledger, faults, settings, rates and waiting webhooks |

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::account::{Number, NumberState};
use super::fault::Fault;
use super::graph::{answer, text_answer};
use super::journal::Record;
use super::ledger::Filter;
use super::settings::SettingsChange;
use super::template::Template;
use super::tokens::TokenChange;
use super::{Simulator, customer, templates};
use crate::error_body::ErrorBody;

type Sim = State<Arc<Simulator>>;

pub(crate) fn router(simulator: Arc<Simulator>) -> Router {
    Router::new()
        .route("/ledger", get(ledger))
        .route("/ledger/summary", get(summary))
        .route("/idle", get(idle))
        .route("/customer/messages", post(customer::write))
        .route("/webhooks", post(raw_webhook))
        .route("/webhooks/verification", post(verification))
        .route("/settings", get(show_settings).put(change_settings))
        .route("/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/numbers", get(list_numbers).post(put_number))
        .route("/templates", get(list_templates).post(put_template))
        .route("/windows", post(set_window))
        .route("/tokens", post(change_token))
        .route("/reads", get(list_reads))
        .route("/reset", post(reset))
        .with_state(simulator)
}

/// Parses a JSON body. The error says what is wrong with it.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ErrorBody> {
    serde_json::from_slice(body)
        .map_err(|error| ErrorBody::new(StatusCode::BAD_REQUEST, "invalid_request", error.to_string()))
}

pub(crate) fn json_answer(value: &Value) -> Response {
    answer(value)
}

/// The number that a control request names.
pub(crate) fn number(simulator: &Simulator, phone_number_id: &str) -> Result<Arc<NumberState>, ErrorBody> {
    let unknown = || {
        ErrorBody::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "no number has this phone_number_id",
        )
    };
    simulator.accounts.number(phone_number_id).ok_or_else(unknown)
}

fn bad_query(rejection: &QueryRejection) -> Response {
    ErrorBody::new(StatusCode::BAD_REQUEST, "invalid_request", rejection.body_text()).into_response()
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

async fn ledger(
    State(simulator): Sim,
    filter: Result<Query<Filter>, QueryRejection>,
    page: Result<Query<Page>, QueryRejection>,
) -> Response {
    let (filter, page) = match (filter, page) {
        (Ok(Query(filter)), Ok(Query(page))) => (filter, page),
        (Err(rejection), _) | (_, Err(rejection)) => return bad_query(&rejection),
    };
    let (total, entries) = simulator
        .ledger
        .page(&filter, page.offset, page.limit.unwrap_or(100));
    let entries: Vec<_> = entries.iter().map(AsRef::as_ref).collect();
    #[derive(serde::Serialize)]
    struct Body<'a> {
        total: usize,
        entries: Vec<&'a super::ledger::Entry>,
    }
    // This avoids `Value`, so that each payload keeps its original text.
    match serde_json::to_string(&Body { total, entries }) {
        Ok(text) => text_answer(StatusCode::OK, text),
        Err(error) => {
            ErrorBody::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()).into_response()
        }
    }
}

async fn summary(State(simulator): Sim, filter: Result<Query<Filter>, QueryRejection>) -> Response {
    let filter = match filter {
        Ok(Query(filter)) => filter,
        Err(rejection) => return bad_query(&rejection),
    };
    let mut value = json!(simulator.ledger.summary(&filter));
    let counts = &simulator.outbox.counts;
    value["webhooks"] = json!({
        "sent": counts.sent.load(Ordering::Acquire),
        "failed": counts.failed.load(Ordering::Acquire),
        "pending": simulator.outbox.pending(),
    });
    json_answer(&value)
}

async fn idle(State(simulator): Sim) -> Response {
    json_answer(&json!({"pending_webhooks": simulator.outbox.pending()}))
}

async fn raw_webhook(State(simulator): Sim, body: Bytes) -> Response {
    match simulator.poster.post(&simulator.poster.webhook_url, body).await {
        Ok(answered) => json_answer(&json!({"status": answered.status, "body": answered.body})),
        Err(reason) => ErrorBody::new(StatusCode::BAD_GATEWAY, "webhook_unreachable", reason).into_response(),
    }
}

async fn verification(State(simulator): Sim) -> Response {
    let poster = &simulator.poster;
    match poster.verify(&poster.webhook_url, &poster.verify_token).await {
        Ok(answered) => json_answer(&json!({"verified": true, "status": answered.status})),
        Err(reason) => json_answer(&json!({"verified": false, "reason": reason})),
    }
}

async fn show_settings(State(simulator): Sim) -> Response {
    json_answer(&json!(*simulator.settings()))
}

async fn change_settings(State(simulator): Sim, body: Bytes) -> Response {
    let change = match parse::<SettingsChange>(&body) {
        Ok(change) => change,
        Err(refusal) => return refusal.into_response(),
    };
    match simulator.settings().changed(change) {
        Ok(settings) => {
            simulator.settings.send_replace(Arc::new(settings));
            show_settings(State(simulator)).await
        }
        Err(problem) => ErrorBody::new(StatusCode::BAD_REQUEST, "invalid_request", problem).into_response(),
    }
}

async fn list_faults(State(simulator): Sim) -> Response {
    json_answer(&json!({"faults": simulator.faults.list()}))
}

async fn add_fault(State(simulator): Sim, body: Bytes) -> Response {
    let fault = match parse::<Fault>(&body) {
        Ok(fault) => fault,
        Err(refusal) => return refusal.into_response(),
    };
    if let Some(problem) = fault.problem() {
        return ErrorBody::new(StatusCode::BAD_REQUEST, "invalid_request", problem).into_response();
    }
    simulator.faults.add(fault);
    list_faults(State(simulator)).await
}

async fn clear_faults(State(simulator): Sim) -> Response {
    simulator.faults.clear();
    list_faults(State(simulator)).await
}

async fn list_numbers(State(simulator): Sim) -> Response {
    let numbers = simulator.accounts.numbers();
    json_answer(&json!({"numbers": numbers.iter().map(|number| &number.config).collect::<Vec<_>>()}))
}

async fn put_number(State(simulator): Sim, body: Bytes) -> Response {
    let number = match parse::<Number>(&body) {
        Ok(number) => number,
        Err(refusal) => return refusal.into_response(),
    };
    simulator.journal.append(&Record::Number(number.clone()));
    simulator.accounts.put_number(number.clone());
    json_answer(&json!(number))
}

async fn change_token(State(simulator): Sim, body: Bytes) -> Response {
    match parse::<TokenChange>(&body) {
        Ok(change) => json_answer(&simulator.tokens.change(change)),
        Err(refusal) => refusal.into_response(),
    }
}

async fn list_reads(State(simulator): Sim) -> Response {
    json_answer(&json!({"reads": simulator.reads.list()}))
}

async fn list_templates(State(simulator): Sim) -> Response {
    let templates = simulator.accounts.templates();
    json_answer(&json!({"templates": templates.iter().map(AsRef::as_ref).collect::<Vec<&Template>>()}))
}

async fn put_template(State(simulator): Sim, body: Bytes) -> Response {
    match parse::<Template>(&body) {
        Ok(template) => json_answer(&json!(*templates::put(&simulator, template))),
        Err(refusal) => refusal.into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowChange {
    phone_number_id: String,
    contact: String,
    open: bool,
}

async fn set_window(State(simulator): Sim, body: Bytes) -> Response {
    let outcome = parse::<WindowChange>(&body).and_then(|change| {
        let number = number(&simulator, &change.phone_number_id)?;
        let Some(contact) = payload_contact(&change.contact) else {
            return Err(ErrorBody::new(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "contact is empty",
            ));
        };
        if change.open {
            customer::open_window(&simulator, &number, &contact, simulator.clock.now_ms());
        } else if number.close_window(&contact) {
            let phone_number_id = change.phone_number_id;
            simulator.journal.append(&Record::WindowClosed {
                phone_number_id,
                contact,
            });
        }
        Ok(json!({"open": change.open}))
    });
    outcome.map_or_else(IntoResponse::into_response, |value| json_answer(&value))
}

fn payload_contact(text: &str) -> Option<String> {
    let contact = if text.contains('.') {
        text.to_owned()
    } else {
        super::account::digits(text)
    };
    (!contact.is_empty()).then_some(contact)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Reset {
    windows: bool,
}

async fn reset(State(simulator): Sim, body: Bytes) -> Response {
    let reset = if body.is_empty() {
        Ok(Reset::default())
    } else {
        parse::<Reset>(&body)
    };
    let reset = match reset {
        Ok(reset) => reset,
        Err(refusal) => return refusal.into_response(),
    };
    simulator.faults.clear();
    simulator
        .settings
        .send_replace(Arc::new(simulator.first_settings.clone()));
    simulator.outbox.clear().await;
    simulator.ledger.clear();
    simulator.tokens.reset();
    simulator.reads.clear();
    simulator.reset_rates();
    if reset.windows {
        close_all_windows(&simulator);
    }
    json_answer(&json!({"reset": true}))
}

fn close_all_windows(simulator: &Simulator) {
    let now = simulator.clock.now_ms();
    for number in simulator.accounts.numbers() {
        for (contact, _) in number.open_windows(now) {
            let phone_number_id = number.config.phone_number_id.clone();
            simulator.journal.append(&Record::WindowClosed {
                phone_number_id,
                contact,
            });
        }
        number.close_all_windows();
    }
}
