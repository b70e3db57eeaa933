//! `POST /api/broadcast/campaigns/{id}/send`, `pause`, `resume`, `cancel`, `complete`, `retry`, `duplicate`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::campaign::{Campaign, TIME_LIMIT};
use super::hand_over::send_soon;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Caller;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::OptionalJsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{
    BroadcastsCancel, BroadcastsCreate, BroadcastsPause, BroadcastsRetry, BroadcastsSend, BroadcastsUpdate,
};
use crm_core::routes;

/// A campaign after an action.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ActedOnCampaign {
    #[serde(flatten)]
    campaign: Campaign,
    /// After a retry: the number of recipients that are pending again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retried: Option<u64>,
}

/// The time to send.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendOptions {
    /// A time ahead, with an offset or without one in the tenant's time zone. If left out, the campaign starts at once.
    /// `send_at` is another name of it.
    #[serde(alias = "send_at", skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-12-01T09:00")]
    scheduled_at: Option<String>,
    /// The errors of the check to send in spite of, by their codes. Any other error refuses the campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["missing_variables"]))]
    accept_problems: Option<Vec<String>>,
}

/// The recipients to send to again.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryOptions {
    /// Whether to include recipients whose outcome is unknown.
    #[serde(default)]
    include_unknown: bool,
    /// Only these recipients; all failed ones if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_ids: Option<Vec<Uuid>>,
}

async fn act(
    caller: &Caller,
    id: Uuid,
    action: &str,
    options: &impl Serialize,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    let arguments = json!({ "campaign_id": id, "action": action, "options": options });
    let database = caller.database().with_time_limit(TIME_LIMIT);
    Ok(Json(database.rpc("act_on_campaign", &arguments).await?))
}

/// `/api/broadcast/campaigns/{id}/send`.
pub fn send() -> Routes {
    Routes::new().routes(routes!(send_campaign))
}

/// Send a campaign.
///
/// A draft starts now or, with `scheduled_at`, at that time. A campaign that waits for its time starts now.
/// Errors of its check refuse it, except for those in `accept_problems`.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/send", tag = "broadcasts",
    params(("id" = Uuid, Path, description = "The id of the campaign")),
    request_body(content = Option<SendOptions>),
    responses(
        (status = 200, body = ActedOnCampaign),
        (status = 409, description = "campaign_state, nothing_to_retry"),
        (status = 422, description = "template_not_approved, campaign_problems"),
    ),
)]
pub(crate) async fn send_campaign(
    permitted: Permitted<BroadcastsSend>,
    PathId(id): PathId,
    State(app): State<App>,
    background: Background,
    OptionalJsonBody(options): OptionalJsonBody<SendOptions>,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    let acted = act(&permitted.caller, id, "send", &options).await?;
    send_soon(app, &background, &acted.campaign);
    Ok(acted)
}

/// `/api/broadcast/campaigns/{id}/pause`.
pub fn pause() -> Routes {
    Routes::new().routes(routes!(pause_campaign))
}

/// Pause a campaign.
///
/// Recipients that were already handed to the sender still get their message. The others wait until the campaign is
/// resumed.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/pause", tag = "broadcasts",
    params(("id" = Uuid, Path, description = "The id of the campaign")),
    responses(
        (status = 200, body = ActedOnCampaign),
        (status = 409, description = "campaign_state, nothing_to_retry"),
        (status = 422, description = "invalid_field, template_not_approved"),
    ),
)]
pub(crate) async fn pause_campaign(
    permitted: Permitted<BroadcastsPause>,
    PathId(id): PathId,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    act(&permitted.caller, id, "pause", &json!({})).await
}

/// `/api/broadcast/campaigns/{id}/resume`.
pub fn resume() -> Routes {
    Routes::new().routes(routes!(resume_campaign))
}

/// Resume a paused campaign.
///
/// The sender continues with the recipients that are still pending.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/resume", tag = "broadcasts",
    params(("id" = Uuid, Path, description = "The id of the campaign")),
    responses(
        (status = 200, body = ActedOnCampaign),
        (status = 409, description = "campaign_state, nothing_to_retry"),
        (status = 422, description = "invalid_field, template_not_approved"),
    ),
)]
pub(crate) async fn resume_campaign(
    permitted: Permitted<BroadcastsPause>,
    PathId(id): PathId,
    State(app): State<App>,
    background: Background,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    let acted = act(&permitted.caller, id, "resume", &json!({})).await?;
    send_soon(app, &background, &acted.campaign);
    Ok(acted)
}

/// `/api/broadcast/campaigns/{id}/cancel`.
pub fn cancel() -> Routes {
    Routes::new().routes(routes!(cancel_campaign))
}

/// Cancel a campaign.
///
/// Recipients that are still pending are skipped. A cancelled campaign cannot be resumed.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/cancel", tag = "broadcasts",
    params(("id" = Uuid, Path, description = "The id of the campaign")),
    responses(
        (status = 200, body = ActedOnCampaign),
        (status = 409, description = "campaign_state, nothing_to_retry"),
        (status = 422, description = "invalid_field, template_not_approved"),
    ),
)]
pub(crate) async fn cancel_campaign(
    permitted: Permitted<BroadcastsCancel>,
    PathId(id): PathId,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    act(&permitted.caller, id, "cancel", &json!({})).await
}

/// `/api/broadcast/campaigns/{id}/complete`.
pub fn complete() -> Routes {
    Routes::new().routes(routes!(complete_campaign))
}

/// Re-check whether a campaign is complete.
///
/// The campaign becomes `completed` if no recipient is pending. Otherwise nothing changes.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/complete", tag = "broadcasts",
    params(("id" = Uuid, Path, description = "The id of the campaign")),
    responses(
        (status = 200, body = ActedOnCampaign),
        (status = 409, description = "campaign_state, nothing_to_retry"),
        (status = 422, description = "invalid_field, template_not_approved"),
    ),
)]
pub(crate) async fn complete_campaign(
    permitted: Permitted<BroadcastsUpdate>,
    PathId(id): PathId,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    act(&permitted.caller, id, "complete", &json!({})).await
}

/// `/api/broadcast/campaigns/{id}/retry`.
pub fn retry() -> Routes {
    Routes::new().routes(routes!(retry_campaign))
}

/// Retry failed recipients of a campaign.
///
/// Failed recipients become pending again, all of them or those in `recipient_ids`. Recipients whose outcome is unknown
/// are included only with `include_unknown`, because they may then get the message twice.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/retry", tag = "broadcasts",
    params(("id" = Uuid, Path, description = "The id of the campaign")),
    request_body(content = Option<RetryOptions>),
    responses(
        (status = 200, body = ActedOnCampaign),
        (status = 409, description = "campaign_state, nothing_to_retry"),
        (status = 422, description = "template_not_approved"),
    ),
)]
pub(crate) async fn retry_campaign(
    permitted: Permitted<BroadcastsRetry>,
    PathId(id): PathId,
    State(app): State<App>,
    background: Background,
    OptionalJsonBody(options): OptionalJsonBody<RetryOptions>,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    let acted = act(&permitted.caller, id, "retry", &options).await?;
    send_soon(app, &background, &acted.campaign);
    Ok(acted)
}

/// `/api/broadcast/campaigns/{id}/duplicate`.
pub fn duplicate() -> Routes {
    Routes::new().routes(routes!(duplicate_campaign))
}

/// Duplicate a campaign.
///
/// The copy is a draft with the same template, number and recipients.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/duplicate", tag = "broadcasts",
    params(("id" = Uuid, Path, description = "The id of the campaign")),
    responses(
        (status = 200, body = ActedOnCampaign),
        (status = 409, description = "campaign_state, nothing_to_retry"),
        (status = 422, description = "invalid_field, template_not_approved"),
    ),
)]
pub(crate) async fn duplicate_campaign(
    permitted: Permitted<BroadcastsCreate>,
    PathId(id): PathId,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    act(&permitted.caller, id, "duplicate", &json!({})).await
}
