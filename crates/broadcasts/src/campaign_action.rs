//! `POST /api/broadcast/campaigns/{id}/send`, `pause`, `resume`, `cancel`, `complete`, `retry`, `duplicate`.

use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::campaign::{Campaign, TIME_LIMIT};
use crm_core::app::App;
use crm_core::caller::Caller;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::OptionalJsonBody;
use crm_core::path_id::PathId;
use crm_core::permissions::{
    BroadcastsCancel, BroadcastsCreate, BroadcastsPause, BroadcastsRetry, BroadcastsSend, BroadcastsUpdate,
};

/// A campaign after it was acted on.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ActedOnCampaign {
    #[serde(flatten)]
    campaign: Campaign,
    /// After a retry: how many are due again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retried: Option<u64>,
}

/// When to send.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendOptions {
    /// With an offset, or as the clock of the tenant shows it. Without it the next cron minute sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-12-01T09:00")]
    scheduled_at: Option<String>,
}

/// Whom to try again.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryOptions {
    /// Those too of whom nobody knows whether they got it.
    #[serde(default)]
    include_unknown: bool,
    /// Only these; all failed ones without it.
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
pub fn send() -> Router<App> {
    Router::new().route("/api/broadcast/campaigns/{id}/send", post(send_campaign))
}

/// Sends a draft now or, with `scheduled_at`, at its time. A campaign that waits for its time leaves now.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/send", tag = "broadcasts", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    request_body(content = Option<SendOptions>),
    responses(
        (status = 200, body = ActedOnCampaign), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`campaign_state`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn send_campaign(
    permitted: Permitted<BroadcastsSend>,
    PathId(id): PathId,
    OptionalJsonBody(options): OptionalJsonBody<SendOptions>,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    act(&permitted.caller, id, "send", &options).await
}

/// `/api/broadcast/campaigns/{id}/pause`.
pub fn pause() -> Router<App> {
    Router::new().route("/api/broadcast/campaigns/{id}/pause", post(pause_campaign))
}

/// Pauses a campaign. What has been handed out still goes to its recipients.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/pause", tag = "broadcasts", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = ActedOnCampaign), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`campaign_state`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn pause_campaign(
    permitted: Permitted<BroadcastsPause>,
    PathId(id): PathId,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    act(&permitted.caller, id, "pause", &json!({})).await
}

/// `/api/broadcast/campaigns/{id}/resume`.
pub fn resume() -> Router<App> {
    Router::new().route("/api/broadcast/campaigns/{id}/resume", post(resume_campaign))
}

/// Goes on with a paused campaign.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/resume", tag = "broadcasts", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = ActedOnCampaign), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`campaign_state`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn resume_campaign(
    permitted: Permitted<BroadcastsPause>,
    PathId(id): PathId,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    act(&permitted.caller, id, "resume", &json!({})).await
}

/// `/api/broadcast/campaigns/{id}/cancel`.
pub fn cancel() -> Router<App> {
    Router::new().route("/api/broadcast/campaigns/{id}/cancel", post(cancel_campaign))
}

/// Ends a campaign before its time: whoever has not had a turn is skipped.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/cancel", tag = "broadcasts", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = ActedOnCampaign), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`campaign_state`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn cancel_campaign(
    permitted: Permitted<BroadcastsCancel>,
    PathId(id): PathId,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    act(&permitted.caller, id, "cancel", &json!({})).await
}

/// `/api/broadcast/campaigns/{id}/complete`.
pub fn complete() -> Router<App> {
    Router::new().route("/api/broadcast/campaigns/{id}/complete", post(complete_campaign))
}

/// Has a campaign looked at: it is completed if nobody is left to send to.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/complete", tag = "broadcasts", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = ActedOnCampaign), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`campaign_state`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn complete_campaign(
    permitted: Permitted<BroadcastsUpdate>,
    PathId(id): PathId,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    act(&permitted.caller, id, "complete", &json!({})).await
}

/// `/api/broadcast/campaigns/{id}/retry`.
pub fn retry() -> Router<App> {
    Router::new().route("/api/broadcast/campaigns/{id}/retry", post(retry_campaign))
}

/// Tries failed recipients again. Those whose outcome is unknown only with `include_unknown`: they may get it twice.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/retry", tag = "broadcasts", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    request_body(content = Option<RetryOptions>),
    responses(
        (status = 200, body = ActedOnCampaign), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`campaign_state`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn retry_campaign(
    permitted: Permitted<BroadcastsRetry>,
    PathId(id): PathId,
    OptionalJsonBody(options): OptionalJsonBody<RetryOptions>,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    act(&permitted.caller, id, "retry", &options).await
}

/// `/api/broadcast/campaigns/{id}/duplicate`.
pub fn duplicate() -> Router<App> {
    Router::new().route(
        "/api/broadcast/campaigns/{id}/duplicate",
        post(duplicate_campaign),
    )
}

/// Makes a draft with the same template, number and recipients.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns/{id}/duplicate", tag = "broadcasts", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = ActedOnCampaign), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`campaign_state`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn duplicate_campaign(
    permitted: Permitted<BroadcastsCreate>,
    PathId(id): PathId,
) -> Result<Json<ActedOnCampaign>, ApiError> {
    act(&permitted.caller, id, "duplicate", &json!({})).await
}
