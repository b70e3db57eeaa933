//! `GET /api/broadcast/debug/scheduled`: campaigns that wait for their time.

use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::campaign::Campaign;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::permissions::QueueView;

/// Campaigns that wait for their time.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Scheduled {
    /// The time of the database, by which they start.
    now: DateTime<Utc>,
    /// The tenant's.
    timezone: String,
    /// Whether the tenant's scheduler runs.
    running: bool,
    /// The first due first.
    campaigns: Vec<Campaign>,
}

/// `/api/broadcast/debug/scheduled`.
pub fn router() -> Router<App> {
    Router::new().route("/api/broadcast/debug/scheduled", get(list_scheduled))
}

/// Campaigns that wait for their time, the first due first.
#[utoipa::path(
    get, path = "/api/broadcast/debug/scheduled", tag = "queue", security(("bearer" = [])),
    responses((status = 200, body = Scheduled), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody))
)]
pub(crate) async fn list_scheduled(permitted: Permitted<QueueView>) -> Result<Json<Scheduled>, ApiError> {
    Ok(Json(
        permitted
            .caller
            .database()
            .rpc("list_scheduled_campaigns", &json!({}))
            .await?,
    ))
}
