//! Stores a delivery in the database: one call, safe to repeat.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use supabase::{Database, DatabaseError, Supabase};
use tokio::time::sleep;
use uuid::Uuid;
use whatsapp::webhook::{self, Delivery, Message, Other, Reason, Status};

/// The most attempts of a call that conflicts with another delivery.
const TRIES: u32 = 5;

/// The arguments of `ingest_webhook`.
#[derive(Serialize)]
struct Arguments<'a> {
    body: &'a str,
    encoding: &'static str,
    is_json: bool,
    /// Messages of customers, echoes and history.
    messages: &'a [&'a Message],
    statuses: &'a [Status],
    events: &'a [&'a Other],
    others: &'a [Leftover<'a>],
    keep_event: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_of: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    patient: bool,
}

/// Fields about an account, a number, a template or a person's preferences. `private.ingest_event` handles them.
const EVENT_FIELDS: [&str; 17] = [
    "account_alerts",
    "account_review_update",
    "account_settings_update",
    "account_update",
    "business_capability_update",
    "business_username_update",
    "business_username_updates",
    "flows",
    "message_template_components_update",
    "message_template_quality_update",
    "message_template_status_update",
    "phone_number_name_update",
    "phone_number_quality_update",
    "security",
    "template_category_update",
    "template_correct_category_detection",
    "user_preferences",
];

/// An element that only the raw event keeps, with the reason.
#[derive(Serialize)]
struct Leftover<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number_id: Option<&'a str>,
    reason: LeftoverReason,
}

#[derive(Serialize)]
#[serde(untagged)]
enum LeftoverReason {
    Parser(Reason),
    Ours(&'static str),
}

/// The result of storing a delivery.
#[derive(Default, Deserialize)]
pub(super) struct Stored {
    /// The row of `webhook_events` that keeps the delivery.
    #[serde(default)]
    pub(super) event_id: Option<i64>,
    /// Phone numbers in the delivery that no tenant has connected.
    #[serde(default)]
    pub(super) unknown_numbers: Vec<UnknownNumber>,
    /// Campaigns whose figures changed.
    pub(super) campaigns: Vec<Uuid>,
    /// Whether automatic messages are due.
    #[serde(default)]
    pub(super) automatic: bool,
}

/// A phone number that no tenant has connected.
#[derive(Deserialize)]
pub(super) struct UnknownNumber {
    pub(super) phone_number_id: Option<String>,
}

/// Stores a delivery whose signature has been checked.
pub(super) async fn store(supabase: &Supabase, raw: &[u8]) -> Result<Stored, DatabaseError> {
    store_as(supabase, raw, None).await
}

/// Processes a stored delivery again. Rows that exist already stay as they are.
pub(super) async fn replay(supabase: &Supabase, raw: &[u8], event: i64) -> Result<Stored, DatabaseError> {
    store_as(supabase, raw, Some(event)).await
}

async fn store_as(supabase: &Supabase, raw: &[u8], replay_of: Option<i64>) -> Result<Stored, DatabaseError> {
    let database = supabase.as_service();
    // A replayed delivery is stored already.
    let (body, encoding) = match replay_of {
        None => storable(raw),
        Some(_) => (String::new(), "utf-8"),
    };
    let parsed = webhook::parse(raw);
    let is_json = parsed.is_ok();
    let delivery = parsed.unwrap_or_default();
    let (events, leftovers) = events_and_leftovers(&delivery);
    let messages: Vec<&Message> = delivery.messages.iter().chain(&delivery.past).collect();

    let mut arguments = Arguments {
        body: &body,
        encoding,
        is_json,
        messages: &messages,
        statuses: &delivery.statuses,
        events: &events,
        others: &leftovers,
        keep_event: true,
        replay_of,
        patient: false,
    };
    match ingest(&database, &arguments).await {
        Err(DatabaseError::Conflict { .. }) => {
            arguments.patient = true;
            ingest(&database, &arguments).await
        }
        // Postgres cannot read some element as JSON: the other elements are stored without it.
        Err(DatabaseError::Invalid(source)) => {
            log::warn!("a delivery is stored element by element: {}", source.as_str());
            store_one_by_one(&database, &arguments, events_and_leftovers(&delivery).1).await
        }
        stored => stored,
    }
}

/// The raw bytes in a form that the database can store.
fn storable(raw: &[u8]) -> (String, &'static str) {
    match std::str::from_utf8(raw) {
        Ok(text) if !text.contains('\0') => (text.to_owned(), "utf-8"),
        _ => (STANDARD.encode(raw), "base64"),
    }
}

fn events_and_leftovers(delivery: &Delivery) -> (Vec<&Other>, Vec<Leftover<'_>>) {
    let (events, others): (Vec<&Other>, Vec<&Other>) =
        delivery.others.iter().partition(|other| is_event(other));
    (events, others.into_iter().map(leftover).collect())
}

fn is_event(other: &Other) -> bool {
    other.reason.is_none() && EVENT_FIELDS.contains(&&*other.field)
}

fn leftover(other: &Other) -> Leftover<'_> {
    Leftover {
        field: &other.field,
        phone_number_id: other.phone_number_id.as_deref(),
        reason: other
            .reason
            .map_or(LeftoverReason::Ours("not_handled"), LeftoverReason::Parser),
    }
}

/// Stores each element in a call of its own, because the database cannot read the whole call, and then the delivery
/// with the elements that were left over.
async fn store_one_by_one<'a>(
    database: &Database<'_>,
    whole: &Arguments<'_>,
    mut leftovers: Vec<Leftover<'a>>,
) -> Result<Stored, DatabaseError> {
    let mut started = Stored::default();
    let messages = whole
        .messages
        .chunks(1)
        .map(|message| (message, &[][..], &[][..]));
    let statuses = whole.statuses.chunks(1).map(|status| (&[][..], status, &[][..]));
    let events = whole.events.chunks(1).map(|event| (&[][..], &[][..], event));
    for (messages, statuses, events) in messages.chain(statuses).chain(events) {
        let element = Arguments {
            body: "",
            encoding: "utf-8",
            is_json: true,
            messages,
            statuses,
            events,
            others: &[],
            keep_event: false,
            replay_of: None,
            patient: false,
        };
        match ingest(database, &element).await {
            Ok(stored) => {
                started.campaigns.extend(stored.campaigns);
                started.automatic |= stored.automatic;
            }
            Err(DatabaseError::Invalid(_) | DatabaseError::Conflict { .. }) => leftovers.push(Leftover {
                field: "",
                phone_number_id: None,
                reason: LeftoverReason::Ours("refused_by_database"),
            }),
            Err(error) => return Err(error),
        }
    }
    let event = Arguments {
        messages: &[],
        statuses: &[],
        events: &[],
        others: &leftovers,
        ..*whole
    };
    ingest(database, &event).await?;
    Ok(started)
}

async fn ingest(database: &Database<'_>, arguments: &Arguments<'_>) -> Result<Stored, DatabaseError> {
    let mut tries = 1;
    loop {
        let stored = database.rpc::<Stored>("ingest_webhook", arguments).await;
        match stored {
            // Another delivery is creating the same contact or holds locks on our rows. It ends soon.
            Err(DatabaseError::Retryable(_) | DatabaseError::Conflict { .. }) if tries < TRIES => {
                sleep(Duration::from_millis(20 * u64::from(tries))).await;
                tries += 1;
            }
            stored => return stored,
        }
    }
}
