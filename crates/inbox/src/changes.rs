//! `GET /api/changes`: the changes that a client missed while it was offline.

use axum::Json;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::Caller;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::routes;

const MOST: u32 = 1000;

/// The point from which to list.
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

/// The changes since then.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Changes {
    /// Each changed thing once, sorted by its latest change.
    changes: Vec<Change>,
    /// The value of `after` for the next request.
    #[schema(value_type = i64, example = 48211)]
    sequence: Value,
    /// Whether there are more changes now.
    more: bool,
}

/// A changed thing.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Change {
    /// The event as in Realtime; `<kind>.removed` if the thing is gone or the caller may no longer see it.
    #[schema(example = "message.created")]
    event: String,
    id: Uuid,
    /// The thing as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, nullable = false)]
    data: Option<Value>,
}

/// `/api/changes`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_changes))
}

/// List what has changed.
///
/// A client that lost its Realtime connection reads here what it missed. Each thing is listed once, as it is now and as
/// far as the caller may see it. Without `after` the answer only has the `sequence` to begin with; ask for it before
/// you load anything. Changes are kept for three days.
#[utoipa::path(
    get, path = "/api/changes", tag = "changes",
    params(
        ("after" = Option<String>, Query, description = "The `sequence` of the last event or of the last answer"),
        ("limit" = Option<u32>, Query, description = "About how many changes to look at; 500 if left out", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, body = Changes),
        (status = 403, description = "forbidden"),
        (status = 409, description = "resync_required"),
    ),
)]
pub(crate) async fn list_changes(
    caller: Caller,
    QueryParameters(query): QueryParameters<ChangesQuery>,
) -> Result<Json<Changes>, ApiError> {
    let arguments = json!({ "after": query.after, "page_size": query.limit });
    Ok(Json(caller.database().rpc("list_changes", &arguments).await?))
}
