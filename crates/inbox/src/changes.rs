//! `GET /api/changes`: what a client missed while it was away.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::caller::Caller;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::QueryParameters;

const MOST: u32 = 1000;

/// Since when.
#[derive(Deserialize)]
pub(crate) struct ChangesQuery {
    after: Option<String>,
    #[serde(default = "default_limit", deserialize_with = "limit")]
    limit: u32,
}

fn default_limit() -> u32 {
    500
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    let number = text
        .parse::<u32>()
        .ok()
        .filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| serde::de::Error::custom(format!("must be a number from 1 to {MOST}")))
}

/// What happened since.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Changes {
    /// Each thing once, in the order of the last word on it.
    changes: Vec<Change>,
    /// Pass it as `after` the next time.
    #[schema(value_type = Object)]
    sequence: Value,
    /// Whether there is more right now.
    more: bool,
}

/// A thing that changed.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Change {
    /// As in Realtime; `<kind>.removed` when it is gone, or the caller does not see it any more.
    event: String,
    id: Uuid,
    /// How it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
}

/// `/api/changes`.
pub fn router() -> Router<App> {
    Router::new().route("/api/changes", get(list_changes))
}

/// What the caller was told through Realtime since a `sequence`, which every event carries: each thing once, as it is now.
/// Without `after`: the sequence to begin with, asked for before everything is loaded. Kept for three days.
#[utoipa::path(
    get, path = "/api/changes", tag = "changes", security(("bearer" = [])),
    params(
        ("after" = Option<String>, Query, description = "The `sequence` of the last event or answer"),
        ("limit" = Option<u32>, Query, description = "About how many changes are looked at, by default 500", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, body = Changes),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 409, description = "`resync_required`: load everything anew", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn list_changes(
    caller: Caller,
    QueryParameters(query): QueryParameters<ChangesQuery>,
) -> Result<Json<Changes>, ApiError> {
    let arguments = json!({ "after": query.after, "page_size": query.limit });
    Ok(Json(caller.database().rpc("list_changes", &arguments).await?))
}
