//! Reads the health of numbers from Meta, hourly and on request.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use supabase::DatabaseError;
use uuid::Uuid;
use whatsapp::client::{NumberHealth, SendError};

use crm_core::app::App;
use sending::{AccessError, number_token};

/// The most requests to Meta at the same time.
const AT_ONCE: usize = 8;
/// The most numbers of one round. The next round checks the others.
const BATCH: u32 = 200;
/// On request, health data that is newer is not read again.
const FRESH: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct NumberToCheck {
    session_id: Uuid,
    phone_number_id: String,
}

/// Reads the health of numbers whose data is older than `age`. Returns how many were checked and how many of them
/// failed.
pub async fn refresh_stale(app: &App, age: Duration) -> Result<(usize, usize), DatabaseError> {
    refresh(app, older_than(age), None).await
}

/// Reads the health of these numbers, unless that was done within the last minute.
pub(super) async fn refresh_these(app: &App, sessions: &[Uuid]) -> Result<(), DatabaseError> {
    for &session in sessions {
        refresh(app, older_than(FRESH), Some(session)).await?;
    }
    Ok(())
}

fn older_than(age: Duration) -> DateTime<Utc> {
    Utc::now() - age
}

async fn refresh(
    app: &App,
    older_than: DateTime<Utc>,
    only: Option<Uuid>,
) -> Result<(usize, usize), DatabaseError> {
    let arguments = json!({ "older_than": older_than, "page_size": BATCH, "only_session": only });
    let numbers: Vec<NumberToCheck> = app
        .supabase()
        .as_service()
        .rpc("numbers_to_check", &arguments)
        .await?;
    let asked = numbers.len();
    let failed = stream::iter(numbers)
        .map(|number| async move { !check(app, &number).await })
        .buffer_unordered(AT_ONCE)
        .filter(|failed| std::future::ready(*failed))
        .count()
        .await;
    Ok((asked, failed))
}

/// Reads and records the health of one number. False when Meta did not answer.
async fn check(app: &App, number: &NumberToCheck) -> bool {
    let arguments = match ask(app, number).await {
        Ok(health) => json!({ "session_id": number.session_id, "health": health }),
        Err(problem) => json!({
            "session_id": number.session_id, "problem": problem.text, "token_invalid": problem.token_invalid,
        }),
    };
    let answered = arguments.get("health").is_some();
    let recorded = app
        .supabase()
        .as_service()
        .rpc::<serde_json::Value>("record_number_health", &arguments)
        .await;
    if let Err(error) = recorded {
        log::warn!(
            "number {}: health not recorded: {}",
            number.session_id,
            error.source_text()
        );
    }
    answered
}

struct Problem {
    text: String,
    token_invalid: bool,
}

async fn ask(app: &App, number: &NumberToCheck) -> Result<NumberHealth, Problem> {
    let token = number_token(app, number.session_id).await.map_err(|error| {
        log::error!("number {}: {error}", number.session_id);
        Problem {
            text: match error {
                AccessError::Database(_) => "The database did not answer".to_owned(),
                AccessError::Sealed(_) => "Its access token cannot be opened".to_owned(),
            },
            token_invalid: false,
        }
    })?;
    let client = app.graph().number(&number.phone_number_id, &token);
    client.health().await.map_err(|error| Problem {
        token_invalid: matches!(error, SendError::TokenInvalid { .. }),
        text: match &error {
            SendError::NotSent { .. } | SendError::OutcomeUnknown { .. } => "Meta did not answer".to_owned(),
            error => error
                .meta_error()
                .map_or_else(String::new, |meta| meta.text().to_owned()),
        },
    })
}
