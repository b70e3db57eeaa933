//! `GET`, `PATCH` and `DELETE /api/whatsapp/sessions/{id}`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::health;
use super::list::{ListQuery, Refresh};
use super::number::{ConnectedNumber, GraphInUse};
use super::validation::{Candidate, check_expiry, check_pin, parse_token};
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::{JsonBody, QueryParameters, nullable};
use crm_core::path_id::PathId;
use crm_core::permissions::{NumbersManage, NumbersView};
use crm_core::routes;
use crm_core::text::Text;
use sending::{AccessError, number_token};

/// A number with its health, its assignment settings and its delivery figures.
#[derive(Serialize, ToSchema)]
pub(crate) struct NumberDetails {
    #[serde(flatten)]
    number: ConnectedNumber,
    #[serde(flatten)]
    delivery: NumberDelivery,
    assignment: NumberAssignment,
    graph: GraphInUse,
}

/// The assignment settings of a number, for new and reopened conversations that are unassigned.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct NumberAssignment {
    strategy: NumberStrategy,
    /// The number of open conversations above which a person gets no more automatically.
    max_open: Option<u32>,
    /// The people who take part while they are online. Empty: everyone who may answer.
    pool: Vec<Uuid>,
}

/// Assignment by hand, in turn, or to the person with the fewest open conversations.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NumberStrategy {
    Manual,
    RoundRobin,
    LeastBusy,
}

/// Changes to the assignment settings. Fields that are left out stay as they are.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssignmentChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<NumberStrategy>,
    /// Null: without a limit.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    max_open: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 500)]
    pool: Option<Vec<Uuid>>,
}

/// The delivery figures of a number.
#[derive(Serialize, Deserialize, ToSchema)]
struct NumberDelivery {
    breaker: Breaker,
    /// The last 24 hours.
    day: DeliveryFigures,
    /// The last 7 days.
    week: DeliveryFigures,
}

crm_core::words! {
    /// The state of a circuit breaker.
    pub(crate) BreakerState = "closed", "open", "half_open";
}

/// The circuit breaker: `open` while sends are held because Meta does not answer.
#[derive(Serialize, Deserialize, ToSchema)]
struct Breaker {
    /// `closed`, `open` or `half_open`
    #[schema(value_type = BreakerState)]
    state: String,
    /// The number of consecutive sends without an answer.
    failures: u32,
    open_until: Option<DateTime<Utc>>,
    changed_at: Option<DateTime<Utc>>,
}

/// The numbers of messages by outcome.
#[derive(Serialize, Deserialize, ToSchema)]
struct DeliveryFigures {
    messages: u64,
    /// Accepted by Meta.
    accepted: u64,
    delivered: u64,
    read: u64,
    failed: u64,
    unknown: u64,
    /// The share of accepted messages that were delivered, from 0 to 1.
    delivery_rate: Option<f64>,
    /// The share of delivered messages that were read, from 0 to 1.
    read_rate: Option<f64>,
    seconds_to_delivered: Latency,
    seconds_to_read: Latency,
}

/// The seconds from one state to the next.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = DeliveryLatency)]
struct Latency {
    median: Option<f64>,
    p95: Option<f64>,
}

/// Changes to a number.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NumberChanges {
    #[schema(max_length = 200, example = "Toko Solo")]
    name: Option<String>,
    /// The pace of campaigns in messages per second: up to 80, or 1,000 if Meta's throughput level is `HIGH`.
    #[schema(minimum = 1, maximum = 1000)]
    messages_per_second: Option<u32>,
    /// Assignment settings; they need `agents.assign`.
    assignment: Option<AssignmentChanges>,
    action: Option<NumberAction>,
    /// The new state of the number, in the place of `action`.
    status: Option<WantedStatus>,
    /// A new token. It is checked with Meta, and the number is connected again.
    token: Option<String>,
    /// When the token expires; null if it does not expire.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    token_expires_at: Option<Option<DateTime<Utc>>>,
    /// The PIN of two-step verification, to register the number again.
    pin: Option<String>,
}

impl NumberChanges {
    /// The changes as `change_number` takes them, all in one transaction.
    fn stored(&self, name: Option<&str>, action: Option<NumberAction>) -> Value {
        let mut set =
            json!({ "name": name, "messages_per_second": self.messages_per_second, "action": action });
        if let Some(time) = self.token_expires_at {
            set["token_expires_at"] = json!(time);
        }
        if let Some(assignment) = &self.assignment {
            set["assignment"] = json!(assignment);
        }
        set
    }
}

/// An action on the number.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NumberAction {
    /// Checks the number with Meta, and connects it again.
    Connect,
    Pause,
    Resume,
    Disconnect,
}

/// A state that a number can be put into.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WantedStatus {
    Connected,
    Paused,
    Disconnected,
}

/// `/api/whatsapp/sessions/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_number, change_number, delete_number))
}

/// Get one connected number.
///
/// The answer has what Meta reports about the number, its circuit breaker, its assignment settings, and what became of
/// its messages in the last 24 hours and the last 7 days.
#[utoipa::path(
    get, path = "/api/whatsapp/sessions/{id}", tag = "whatsapp",
    params(
        ("id" = Uuid, Path, description = "The id of the connected number"),
        ("refresh" = inline(Option<Refresh>), Query, description = "Whether to ask Meta first"),
    ),
    responses((status = 200, body = NumberDetails)),
)]
pub(crate) async fn get_number(
    State(app): State<App>,
    permitted: Permitted<NumbersView>,
    PathId(id): PathId,
    QueryParameters(query): QueryParameters<ListQuery>,
) -> Result<Json<NumberDetails>, ApiError> {
    let caller = &permitted.caller;
    let mut number = find(caller, id).await?;
    if query.refresh == Some(Refresh::True) {
        health::refresh_these(&app, &[id]).await?;
        number = find(caller, id).await?;
    }
    let arguments = json!({ "session_id": id });
    let delivery: Option<NumberDelivery> = caller.database().rpc("number_delivery", &arguments).await?;
    let assignment: Option<NumberAssignment> = caller.database().rpc("get_assignment", &arguments).await?;
    Ok(Json(NumberDetails {
        assignment: assignment.ok_or_else(ApiError::not_found)?,
        number,
        delivery: delivery.ok_or_else(ApiError::not_found)?,
        graph: GraphInUse::of(&app),
    }))
}

async fn find(caller: &Caller, id: Uuid) -> Result<ConnectedNumber, ApiError> {
    let number: Option<ConnectedNumber> = caller
        .database()
        .rpc("get_number", &json!({ "session_id": id }))
        .await?;
    number.ok_or_else(ApiError::not_found)
}

/// Change a connected number.
///
/// The name, the pace and the token can be changed, and the number can be paused, resumed, disconnected or connected
/// again. A new token is checked with Meta first. Assignment settings need `agents.assign` as well. If one part is refused,
/// nothing is changed.
#[utoipa::path(
    patch, path = "/api/whatsapp/sessions/{id}", tag = "whatsapp",
    params(("id" = Uuid, Path, description = "The id of the connected number")),
    request_body = NumberChanges,
    responses(
        (status = 200, body = ConnectedNumber),
        (status = 409, description = "number_unavailable, number_taken, token_key_missing, account_blocked, registration_throttled"),
        (status = 503, description = "unavailable"),
    ),
)]
pub(crate) async fn change_number(
    State(app): State<App>,
    permitted: Permitted<NumbersManage>,
    PathId(id): PathId,
    JsonBody(changes): JsonBody<NumberChanges>,
) -> Result<Json<ConnectedNumber>, ApiError> {
    let caller = &permitted.caller;
    check_pin(changes.pin.as_deref())?;
    check_expiry(changes.token_expires_at.flatten())?;
    let name = match &changes.name {
        Some(name) => Some(optional_text("name", name, 200)?),
        None => None,
    };
    let number = find(caller, id).await?;
    if number.deleted_at.is_some() {
        return Err(ApiError::not_found());
    }
    if let Some(pace) = changes.messages_per_second {
        check_pace(pace, &number)?;
    }
    if let Some(assignment) = &changes.assignment {
        check_assignment(assignment)?;
    }
    let mut action = changes.action.or(match (changes.status, number.status.as_str()) {
        (Some(WantedStatus::Connected), "paused" | "connected") => Some(NumberAction::Resume),
        (Some(WantedStatus::Connected), _) => Some(NumberAction::Connect),
        (Some(WantedStatus::Paused), _) => Some(NumberAction::Pause),
        (Some(WantedStatus::Disconnected), _) => Some(NumberAction::Disconnect),
        (None, _) => None,
    });
    let connects = action == Some(NumberAction::Connect) || changes.token.is_some() || changes.pin.is_some();
    if connects {
        if action == Some(NumberAction::Disconnect) {
            return Err(ApiError::field(
                "action",
                Text::new(
                    "cannot be combined with a token or a PIN",
                    "tidak dapat digabung dengan token atau PIN",
                ),
            ));
        }
        // The database must accept the other changes before Meta is asked, because it cannot undo what Meta did.
        let mut check = changes.stored(name.as_deref(), None);
        check["check_only"] = json!(true);
        let arguments = json!({ "session_id": id, "changes": check });
        let _unchanged: ConnectedNumber = caller.database().rpc("change_number", &arguments).await?;
        reconnect(&app, caller, number, &changes).await?;
        action = action.filter(|action| *action == NumberAction::Pause);
    }
    let arguments = json!({ "session_id": id, "changes": changes.stored(name.as_deref(), action) });
    Ok(Json(caller.database().rpc("change_number", &arguments).await?))
}

/// Checked before any change: a new token must not be stored when the request is refused.
fn check_pace(pace: u32, number: &ConnectedNumber) -> Result<(), ApiError> {
    let most = if number.throughput_level.as_deref() == Some("HIGH") {
        1000
    } else {
        80
    };
    if (1..=most).contains(&pace) {
        return Ok(());
    }
    Err(ApiError::field(
        "messages_per_second",
        Text::new(
            format!("must be a number from 1 to {most}"),
            format!("harus berupa angka dari 1 sampai {most}"),
        ),
    ))
}

/// Checked before any change, like the pace.
fn check_assignment(changes: &AssignmentChanges) -> Result<(), ApiError> {
    if changes
        .max_open
        .flatten()
        .is_some_and(|most| !(1..=1000).contains(&most))
    {
        return Err(ApiError::field(
            "assignment.max_open",
            Text::new(
                "must be a number from 1 to 1000",
                "harus berupa angka dari 1 sampai 1000",
            ),
        ));
    }
    if changes.pool.as_ref().is_some_and(|pool| pool.len() > 500) {
        return Err(ApiError::field(
            "assignment.pool",
            Text::new("must not exceed 500 people", "tidak boleh lebih dari 500 orang"),
        ));
    }
    Ok(())
}

/// Connects again with the token in the request, or with the stored one.
async fn reconnect(
    app: &App,
    caller: &Caller,
    number: ConnectedNumber,
    changes: &NumberChanges,
) -> Result<(), ApiError> {
    let own_token = changes.token.is_some() || number.token_source == "own";
    let token = match &changes.token {
        Some(token) => parse_token(token)?,
        None => number_token(app, number.id).await.map_err(|error| match error {
            AccessError::Database(error) => error.into(),
            AccessError::Sealed(error) => {
                log::error!("number {}: {error}", number.id);
                ApiError::field("token", Text::new("must be entered again", "harus diisi lagi"))
            }
        })?,
    };
    let candidate = Candidate {
        session_id: number.id,
        phone_number_id: number.phone_number_id,
        business_account_id: number.business_account_id,
        name: None,
        token,
        own_token,
        // Another token has another expiry, which is stored with the other changes.
        token_expires_at: changes.token.as_ref().map(|_| None),
        pin: changes.pin.clone(),
    };
    candidate.connect(app, caller).await.map(drop)
}

#[derive(Deserialize)]
struct Deleted {
    business_account_id: String,
    account_in_use: bool,
}

/// Remove a number.
///
/// The number sends and receives nothing any more, and its token is deleted. The conversations stay, and come back if
/// the number is connected again.
#[utoipa::path(
    delete, path = "/api/whatsapp/sessions/{id}", tag = "whatsapp",
    params(("id" = Uuid, Path, description = "The id of the connected number")),
    responses((status = 204)),
)]
pub(crate) async fn delete_number(
    State(app): State<App>,
    permitted: Permitted<NumbersManage>,
    PathId(id): PathId,
    background: Background,
) -> Result<StatusCode, ApiError> {
    let caller = &permitted.caller;
    find(caller, id).await?;
    // The token is deleted with the number, but is needed to unsubscribe from the account.
    let token = number_token(&app, id).await.ok();
    let deleted: Deleted = caller
        .database()
        .rpc("delete_number", &json!({ "session_id": id }))
        .await?;
    if let Some(token) = token
        && !deleted.account_in_use
    {
        background.run(async move {
            let account = app.graph().business_account(&deleted.business_account_id, &token);
            if let Err(error) = account.unsubscribe().await {
                log::warn!("number {id}: its account is still subscribed: {error}");
            }
        });
    }
    Ok(StatusCode::NO_CONTENT)
}
