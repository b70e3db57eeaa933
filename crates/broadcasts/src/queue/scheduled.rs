//! `GET /api/broadcast/debug/scheduled`: scheduled campaigns.

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

/// Scheduled campaigns.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Scheduled {
    /// The time of the database, which decides when they start.
    now: DateTime<Utc>,
    /// The tenant's time zone.
    #[schema(example = "Asia/Jakarta")]
    timezone: String,
    /// Whether the tenant's scheduler runs.
    running: bool,
    /// The campaigns, the first due first.
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
