//! `GET /api/queue`, and its former address `GET /api/broadcast/debug/queue`.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::permissions::QueueView;
use crm_core::routes;

/// The queue of a tenant: campaigns that are running, or ended within a week.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Queue {
    total: QueueCounts,
    numbers: Vec<NumberQueue>,
    campaigns: Vec<CampaignQueue>,
}

/// The numbers of recipients by state.
#[derive(Serialize, Deserialize, ToSchema)]
struct QueueCounts {
    /// Due, and not claimed yet.
    waiting: u64,
    /// Due later, because of their time or of a retry.
    delayed: u64,
    /// Claimed by a sender.
    active: u64,
    /// Accepted by Meta.
    completed: u64,
    /// Failed for good. `POST /api/queue/retry` queues them again.
    failed: u64,
    unknown: u64,
    skipped: u64,
}

/// The queue of one number.
#[derive(Serialize, Deserialize, ToSchema)]
struct NumberQueue {
    session_id: Uuid,
    #[schema(example = "Toko Solo")]
    name: String,
    #[schema(example = "+62 811-0009-000")]
    display_phone_number: String,
    #[schema(value_type = crm_core::words::NumberStatus)]
    status: String,
    #[schema(example = 10)]
    messages_per_second: u32,
    /// Whether a sender is working on it.
    sending_now: bool,
    counts: QueueCounts,
}

/// The queue of one campaign.
#[derive(Serialize, Deserialize, ToSchema)]
struct CampaignQueue {
    campaign_id: Uuid,
    #[schema(example = "Promo akhir tahun")]
    name: String,
    #[schema(value_type = crate::campaign_list::CampaignStatus)]
    status: String,
    status_reason: Option<String>,
    /// The campaign waits until then, for the end of quiet hours or because of Meta's limit.
    held_until: Option<DateTime<Utc>>,
    session_id: Uuid,
    counts: QueueCounts,
}

/// `/api/queue`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_queue))
}

/// `/api/broadcast/debug/queue`.
pub fn debug_router() -> Routes {
    Routes::new().routes(routes!(debug_queue))
}

/// Show the queue.
///
/// The answer counts recipients by state: in total, by number and by campaign. It covers campaigns that are running or
/// ended within a week.
#[utoipa::path(get, path = "/api/queue", tag = "queue", responses((status = 200, body = Queue)))]
pub(crate) async fn get_queue(permitted: Permitted<QueueView>) -> Result<Json<Queue>, ApiError> {
    Ok(Json(
        permitted.caller.database().rpc("get_queue", &json!({})).await?,
    ))
}

/// Show the queue (older address).
///
/// The same as `GET /api/queue`.
#[utoipa::path(get, path = "/api/broadcast/debug/queue", tag = "queue", responses((status = 200, body = Queue)))]
pub(crate) async fn debug_queue(permitted: Permitted<QueueView>) -> Result<Json<Queue>, ApiError> {
    get_queue(permitted).await
}
