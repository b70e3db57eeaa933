//! `POST /api/queue/retry`: queues failed recipients again.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::campaign::TIME_LIMIT;
use crm_core::caller::{AllOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::permissions::{BroadcastsRetry, QueueManage};
use crm_core::routes;

/// The result of a retry.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Retried {
    /// The number of recipients that are pending again.
    retried: u64,
    /// The number of their campaigns.
    campaigns: u64,
}

/// `/api/queue/retry`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(retry_failed))
}

/// Retry all failed recipients.
///
/// Every failed recipient of the campaigns of the last week becomes pending again. Use `POST
/// /api/broadcast/campaigns/{id}/retry` for one campaign or for some recipients.
#[utoipa::path(post, path = "/api/queue/retry", tag = "queue", responses((status = 200, body = Retried)))]
pub(crate) async fn retry_failed(
    permitted: Permitted<AllOf<(QueueManage, BroadcastsRetry)>>,
) -> Result<Json<Retried>, ApiError> {
    Ok(Json(
        permitted
            .caller
            .database()
            .with_time_limit(TIME_LIMIT)
            .rpc("retry_failed", &json!({}))
            .await?,
    ))
}
