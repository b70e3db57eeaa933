//! One delivery into the database: one call, safe to repeat.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use supabase::{Database, DatabaseError, Supabase};
use tokio::time::sleep;
use uuid::Uuid;
use whatsapp::webhook::{self, Delivery, Message, Reason, Status};

/// Tries of a call that lost against another delivery for the same rows.
const TRIES: u32 = 5;

/// The arguments of `ingest_webhook`.
#[derive(Serialize)]
struct Arguments<'a> {
    body: &'a str,
    encoding: &'static str,
    is_json: bool,
    messages: &'a [Message],
    statuses: &'a [Status],
    others: &'a [Leftover<'a>],
    keep_event: bool,
}

/// What stays in the raw event only, and why.
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

#[derive(Deserialize)]
struct Stored {
    campaigns: Vec<Uuid>,
}

/// Stores a delivery whose signature has been checked. Answers with the campaigns whose numbers changed.
pub(super) async fn store(supabase: &Supabase, raw: &[u8]) -> Result<Vec<Uuid>, DatabaseError> {
    let database = supabase.as_service();
    let (body, encoding) = storable(raw);
    let parsed = webhook::parse(raw);
    let is_json = parsed.is_ok();
    let delivery = parsed.unwrap_or_default();
    let leftovers = leftovers_of(&delivery);

    let arguments = Arguments {
        body: &body,
        encoding,
        is_json,
        messages: &delivery.messages,
        statuses: &delivery.statuses,
        others: &leftovers,
        keep_event: true,
    };
    match ingest(&database, &arguments).await {
        Err(DatabaseError::Invalid(source) | DatabaseError::Conflict { source, .. }) => {
            log::warn!("a delivery is stored element by element: {}", source.as_str());
            store_one_by_one(&database, &arguments, leftovers_of(&delivery)).await
        }
        stored => stored,
    }
}

/// The raw bytes as the database can keep them.
fn storable(raw: &[u8]) -> (String, &'static str) {
    match std::str::from_utf8(raw) {
        Ok(text) if !text.contains('\0') => (text.to_owned(), "utf-8"),
        _ => (STANDARD.encode(raw), "base64"),
    }
}

fn leftovers_of(delivery: &Delivery) -> Vec<Leftover<'_>> {
    let others = delivery.others.iter();
    others
        .map(|other| Leftover {
            field: &other.field,
            phone_number_id: other.phone_number_id.as_deref(),
            reason: other
                .reason
                .map_or(LeftoverReason::Ours("not_handled"), LeftoverReason::Parser),
        })
        .collect()
}

/// The database refuses something in it: the rest must not suffer.
async fn store_one_by_one<'a>(
    database: &Database<'_>,
    whole: &Arguments<'_>,
    mut leftovers: Vec<Leftover<'a>>,
) -> Result<Vec<Uuid>, DatabaseError> {
    let mut campaigns = Vec::new();
    let messages = whole
        .messages
        .iter()
        .map(|message| (std::slice::from_ref(message), &[][..]));
    let statuses = whole
        .statuses
        .iter()
        .map(|status| (&[][..], std::slice::from_ref(status)));
    for (messages, statuses) in messages.chain(statuses) {
        let element = Arguments {
            body: "",
            encoding: "utf-8",
            is_json: true,
            messages,
            statuses,
            others: &[],
            keep_event: false,
        };
        match ingest(database, &element).await {
            Ok(changed) => campaigns.extend(changed),
            Err(DatabaseError::Invalid(_) | DatabaseError::Conflict { .. }) => leftovers.push(Leftover {
                field: "messages",
                phone_number_id: None,
                reason: LeftoverReason::Ours("refused_by_database"),
            }),
            Err(error) => return Err(error),
        }
    }
    let event = Arguments {
        messages: &[],
        statuses: &[],
        others: &leftovers,
        ..*whole
    };
    ingest(database, &event).await?;
    Ok(campaigns)
}

async fn ingest(database: &Database<'_>, arguments: &Arguments<'_>) -> Result<Vec<Uuid>, DatabaseError> {
    let mut tries = 1;
    loop {
        let stored = database.rpc::<Stored>("ingest_webhook", arguments).await;
        match stored {
            // Another delivery made the same contact, or holds rows of ours: it is settled in a moment.
            Err(DatabaseError::Retryable(_) | DatabaseError::Conflict { .. }) if tries < TRIES => {
                sleep(Duration::from_millis(20 * u64::from(tries))).await;
                tries += 1;
            }
            stored => return stored.map(|stored| stored.campaigns),
        }
    }
}
