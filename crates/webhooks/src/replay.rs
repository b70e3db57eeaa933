//! `POST /api/cron/replay-webhooks`: processes stored deliveries again.
//!
//! The operation is for operators and takes the secret of cron, because a delivery may hold data of several tenants.
//! Rows that exist already stay as they are, so a range may be replayed any number of times.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use supabase::DatabaseError;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::ingest;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::contract::Routes;
use crm_core::cron_secret::CronCaller;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::routes;
use crm_core::text::Text;

/// How long one call continues. The function's own limit leaves time for the delivery that is being stored.
const TIME: Duration = Duration::from_secs(15);
/// The number of deliveries read at once. Each body may have 3 MB.
const PAGE: u32 = 10;

/// The deliveries to replay: one, or those of a period.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ReplayRequest {
    /// The id of a row of `webhook_events`.
    id: Option<i64>,
    /// The beginning of the period in which the deliveries came.
    from: Option<DateTime<Utc>>,
    /// The end of the period.
    to: Option<DateTime<Utc>>,
    /// `next_after` of the previous answer.
    after: Option<i64>,
}

/// The result of a replay.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplayReport {
    replayed: u32,
    /// The ids of deliveries that the database refused. They stay as they are.
    refused: Vec<i64>,
    /// The ids of deliveries that are set aside: two replays died while they stored them. A call with `id` replays one.
    set_aside: Vec<i64>,
    /// The value of `after` for the next call. Null when no deliveries are left.
    next_after: Option<i64>,
}

#[derive(Deserialize)]
struct Kept {
    id: i64,
    body: String,
    encoding: String,
}

impl Kept {
    fn raw(self) -> Vec<u8> {
        match &*self.encoding {
            "base64" => STANDARD.decode(&self.body).unwrap_or_default(),
            _ => self.body.into_bytes(),
        }
    }
}

/// `/api/cron/replay-webhooks`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(replay_webhooks))
}

/// Replay stored deliveries.
///
/// Stored deliveries of Meta are processed again in the order in which they came, for up to 15 seconds. If `next_after`
/// is not null, call again with it as `after`.
#[utoipa::path(
    post, path = "/api/cron/replay-webhooks", tag = "cron",
    request_body = ReplayRequest,
    responses((status = 200, body = ReplayReport)),
)]
pub(crate) async fn replay_webhooks(
    _operator: CronCaller,
    State(app): State<App>,
    background: Background,
    JsonBody(request): JsonBody<ReplayRequest>,
) -> Result<Json<ReplayReport>, ApiError> {
    if request.id.is_none() && request.from.is_none() {
        return Err(ApiError::field(
            "from",
            Text::new("or `id` is required", "atau `id` wajib diisi"),
        ));
    }
    let wanted = json!({ "id": request.id, "from": request.from, "to": request.to });
    app.supabase()
        .as_service()
        .rpc::<()>("record_replay", &json!({ "details": wanted }))
        .await?;
    let deadline = Instant::now() + TIME;
    let mut report = ReplayReport {
        replayed: 0,
        refused: Vec::new(),
        set_aside: Vec::new(),
        next_after: request.after,
    };
    loop {
        let page: Vec<Kept> = page_of(&app, &request, report.next_after).await?;
        let is_last = page.len() < PAGE as usize;
        for kept in page {
            if Instant::now() >= deadline {
                return Ok(Json(report));
            }
            let id = kept.id;
            if !begins(&app, id, request.id.is_some()).await? {
                report.set_aside.push(id);
                report.next_after = Some(id);
                continue;
            }
            let replayed = ingest::replay(app.supabase(), &kept.raw(), id).await;
            ends(&app, id).await?;
            match replayed {
                Ok(stored) => {
                    report.replayed += 1;
                    app.progress().changed(&stored.campaigns, &background);
                }
                Err(DatabaseError::Invalid(_) | DatabaseError::Conflict { .. }) => report.refused.push(id),
                Err(error) => return Err(error.into()),
            }
            report.next_after = Some(id);
        }
        if is_last {
            report.next_after = None;
            return Ok(Json(report));
        }
    }
}

async fn page_of(app: &App, request: &ReplayRequest, after: Option<i64>) -> Result<Vec<Kept>, DatabaseError> {
    let arguments = json!({
        "only_id": request.id,
        "received_from": request.from,
        "received_to": request.to,
        "after_id": after,
        "page_size": PAGE,
    });
    app.supabase()
        .as_service()
        .rpc("webhook_events_to_replay", &arguments)
        .await
}

/// Counts the beginning of a replay. False if the delivery is set aside, unless the operator insists.
async fn begins(app: &App, event_id: i64, insists: bool) -> Result<bool, DatabaseError> {
    let arguments = json!({ "event_id": event_id, "insists": insists });
    let service = app.supabase().as_service();
    service.rpc("begin_webhook_replay", &arguments).await
}

async fn ends(app: &App, event_id: i64) -> Result<(), DatabaseError> {
    let service = app.supabase().as_service();
    service
        .rpc("end_webhook_replay", &json!({ "event_id": event_id }))
        .await
}
