//! `POST /api/cron/replay-webhooks`: stores kept deliveries once more.
//!
//! For operators, with the secret of cron: a delivery may hold several tenants' data. What is stored already stays as it
//! is, so that any range may be replayed any number of times.

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

/// How long a call goes on. The function's own limit leaves room for the delivery that is being stored.
const TIME: Duration = Duration::from_secs(15);
/// Deliveries read at once: a body may have 3 MB.
const PAGE: u32 = 10;

/// What to replay: one delivery, or those of a time.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ReplayRequest {
    /// A row of `webhook_events`.
    id: Option<i64>,
    /// When they came: from then on.
    from: Option<DateTime<Utc>>,
    /// And until then.
    to: Option<DateTime<Utc>>,
    /// `next_after` of the answer before.
    after: Option<i64>,
}

/// What was replayed.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplayReport {
    replayed: u32,
    /// Deliveries the database refused altogether: they stay as they were.
    refused: Vec<i64>,
    /// Ask again with it as `after`: there may be more. Null when that was all.
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
    let deadline = Instant::now() + TIME;
    let mut report = ReplayReport {
        replayed: 0,
        refused: Vec::new(),
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
            match ingest::replay(app.supabase(), &kept.raw(), id).await {
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
