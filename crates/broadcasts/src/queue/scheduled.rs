//! `GET /api/broadcast/debug/scheduled`: campaigns that wait for their time.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::campaign::Campaign;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::permissions::QueueView;
use crm_core::routes;

/// Campaigns that wait for their time.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Scheduled {
    /// The time of the database, by which they start.
    now: DateTime<Utc>,
    /// The tenant's.
    #[schema(example = "Asia/Jakarta")]
    timezone: String,
    /// Whether the tenant's scheduler runs.
    running: bool,
    /// The first due first.
    campaigns: Vec<Campaign>,
}

/// `/api/broadcast/debug/scheduled`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_scheduled))
}

/// List campaigns that wait for their time.
///
/// The campaign that is due first comes first.
#[utoipa::path(
    get, path = "/api/broadcast/debug/scheduled", tag = "queue",
    responses((status = 200, body = Scheduled)),
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
