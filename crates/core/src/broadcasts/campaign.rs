//! `GET /api/broadcast/campaigns/{id}`, and what a campaign looks like.

use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::caller::Permitted;
use crate::error::{ApiError, ErrorBody};
use crate::path_id::PathId;
use crate::permissions::BroadcastsView;

/// One template to many recipients.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Campaign {
    id: Uuid,
    name: String,
    /// `draft`, `scheduled`, `sending`, `paused`, `completed`, `failed` or `cancelled`
    status: String,
    /// Why it is paused or failed.
    status_reason: Option<String>,
    /// The number it is sent from.
    session_id: Uuid,
    template_id: Uuid,
    /// The person it is sent by.
    sender_id: Option<Uuid>,
    scheduled_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    pub(super) statistics: Statistics,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A campaign's numbers, counted from its recipients at the moment of asking. `sent`, `delivered` and `read`
/// include those that went further.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Statistics {
    pub(super) total: u64,
    pending: u64,
    sending: u64,
    sent: u64,
    delivered: u64,
    read: u64,
    failed: u64,
    /// Handed to Meta, and whether it went out is not known. Never sent again by itself.
    unknown: u64,
    skipped: u64,
    /// Recipients that are done with, of all.
    progress_percent: f64,
    /// Delivered, of sent.
    delivery_rate_percent: f64,
    /// Read, of sent.
    read_rate_percent: f64,
}

/// A campaign with its template and the reasons of its failures.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CampaignDetail {
    #[serde(flatten)]
    campaign: Campaign,
    template: CampaignTemplate,
    failures: Vec<FailureGroup>,
}

/// The template of a campaign.
#[derive(Serialize, Deserialize, ToSchema)]
struct CampaignTemplate {
    id: Uuid,
    name: String,
    language: String,
    category: String,
}

/// Recipients that failed for the same reason.
#[derive(Serialize, Deserialize, ToSchema)]
struct FailureGroup {
    /// Meta's code.
    error_code: Option<i64>,
    error_title: Option<String>,
    count: u64,
}

/// `/api/broadcast/campaigns/{id}`.
pub fn router() -> Router<App> {
    Router::new().route("/api/broadcast/campaigns/{id}", get(get_campaign))
}

/// One campaign with its numbers.
#[utoipa::path(
    get, path = "/api/broadcast/campaigns/{id}", tag = "broadcasts", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = CampaignDetail),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    )
)]
pub(crate) async fn get_campaign(
    permitted: Permitted<BroadcastsView>,
    PathId(id): PathId,
) -> Result<Json<CampaignDetail>, ApiError> {
    let arguments = json!({ "campaign_id": id });
    let campaign: Option<CampaignDetail> = permitted
        .caller
        .database()
        .rpc("get_campaign", &arguments)
        .await?;
    campaign.map(Json).ok_or_else(ApiError::not_found)
}
