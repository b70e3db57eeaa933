//! `GET /api/broadcast/campaigns/{id}`, and a campaign as clients see it.

use std::time::Duration;

use axum::Json;
use chrono::{DateTime, NaiveDateTime, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::BroadcastsView;
use crm_core::routes;
use crm_core::text::Text;

/// Time limit of calls that work on all recipients: a list of 100,000 people takes the database a few seconds.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(50);

/// A campaign: one template to many recipients.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Campaign {
    id: Uuid,
    #[schema(example = "Promo akhir tahun")]
    name: String,
    /// `draft`, `scheduled`, `sending`, `paused`, `completed`, `failed` or `cancelled`
    #[schema(value_type = super::campaign_list::CampaignStatus)]
    status: String,
    /// The reason why it is paused or failed.
    status_reason: Option<String>,
    /// The number that sends it.
    session_id: Uuid,
    template_id: Uuid,
    /// The person in whose name it is sent.
    sender_id: Option<Uuid>,
    scheduled_at: Option<DateTime<Utc>>,
    /// The same time in `timezone`, without an offset; with `recipient_local`, the time in each recipient's time zone.
    #[schema(value_type = Option<String>, example = "2026-12-01T09:00:00")]
    scheduled_local: Option<NaiveDateTime>,
    /// The tenant's time zone.
    #[schema(example = "Asia/Jakarta")]
    timezone: String,
    /// Whether each recipient gets it at that time in their own time zone.
    recipient_local: bool,
    /// The time of day at which nothing is sent.
    quiet_hours: Option<QuietHours>,
    /// The campaign waits until then, for the end of quiet hours or because of Meta's limit.
    #[serde(default)]
    held_until: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    cancelled_at: Option<DateTime<Utc>>,
    /// The campaign that it was copied from.
    copied_from: Option<Uuid>,
    /// The recipient list that its recipients come from.
    #[serde(default)]
    recipient_list_id: Option<Uuid>,
    /// The segment that its recipients came from when it was created.
    #[serde(default)]
    segment_id: Option<Uuid>,
    pub(super) statistics: Statistics,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Campaign {
    /// Whether its recipients are being sent to.
    pub(crate) fn is_sending(&self) -> bool {
        self.status == "sending"
    }
}

/// The figures of a campaign, counted from its recipients when they are read. `sent` includes `delivered`, and
/// `delivered` includes `read`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = CampaignStatistics)]
pub(super) struct Statistics {
    pub(super) total: u64,
    pending: u64,
    sending: u64,
    sent: u64,
    delivered: u64,
    read: u64,
    failed: u64,
    /// Handed to Meta with unknown outcome. These are never sent again automatically.
    unknown: u64,
    /// Skipped: the recipient had opted out of marketing, or the campaign was cancelled first.
    skipped: u64,
    /// Recipients that replied within a week.
    replied: u64,
    /// The share of recipients that are no longer pending.
    progress_percent: f64,
    /// The share of sent messages that were delivered.
    delivery_rate_percent: f64,
    /// The share of sent messages that were read.
    read_rate_percent: f64,
    /// The share of sent messages that were answered.
    reply_rate_percent: f64,
}

/// The time of day at which nothing is sent: `{"from": "21:00", "to": "08:00"}`, in the tenant's or in each recipient's
/// time zone.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuietHours {
    #[schema(example = "21:00")]
    from: String,
    #[schema(example = "08:00")]
    to: String,
}

impl QuietHours {
    /// Refuses anything but two different times of day.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let is_time = |text: &str| text.len() == 5 && NaiveTime::parse_from_str(text, "%H:%M").is_ok();
        if is_time(&self.from) && is_time(&self.to) && self.from != self.to {
            return Ok(());
        }
        Err(ApiError::field(
            "quiet_hours",
            Text::new(
                "must have two different times as HH:MM",
                "harus berisi dua waktu berbeda dalam bentuk JJ:MM",
            ),
        ))
    }
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
    #[schema(example = "promo_akhir_tahun")]
    name: String,
    #[schema(example = "id")]
    language: String,
    #[schema(value_type = crm_core::words::TemplateCategory)]
    category: String,
}

/// Recipients that failed for the same reason.
#[derive(Serialize, Deserialize, ToSchema)]
struct FailureGroup {
    /// Meta's error code.
    #[schema(example = 131026)]
    error_code: Option<i64>,
    #[schema(example = "Message undeliverable")]
    error_title: Option<String>,
    count: u64,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(get_campaign))
}

/// Get one campaign.
///
/// The answer has the statistics, the template, and the reasons why recipients failed.
#[utoipa::path(
    get, path = "/api/broadcast/campaigns/{id}", tag = "broadcasts",
    params(("id" = Uuid, Path, description = "The id of the campaign")),
    responses((status = 200, body = CampaignDetail)),
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
