//! `POST /api/queue/retry`: the dead letters, once more.

use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crm_core::app::App;
use crm_core::caller::{AllOf, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::permissions::{BroadcastsRetry, QueueManage};

/// What is tried again.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Retried {
    /// Recipients that are due again.
    retried: u64,
    /// Campaigns they are of.
    campaigns: u64,
}

/// `/api/queue/retry`.
pub fn router() -> Router<App> {
    Router::new().route("/api/queue/retry", post(retry_failed))
}

/// Tries every failed recipient of the last week's campaigns again. For one campaign, or some recipients, there is
/// `POST /api/broadcast/campaigns/{id}/retry`.
#[utoipa::path(
    post, path = "/api/queue/retry", tag = "queue", security(("bearer" = [])),
    responses((status = 200, body = Retried), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody))
)]
pub(crate) async fn retry_failed(
    permitted: Permitted<AllOf<(QueueManage, BroadcastsRetry)>>,
) -> Result<Json<Retried>, ApiError> {
    Ok(Json(
        permitted
            .caller
            .database()
            .rpc("retry_failed", &json!({}))
            .await?,
    ))
}
