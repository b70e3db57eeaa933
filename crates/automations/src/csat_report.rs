//! `GET /api/analytics/csat`: how satisfied customers were.

use std::collections::BTreeMap;

use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::QueryParameters;
use crm_core::paging::{default_limit, page_size};
use crm_core::permissions::ReportsView;

/// The days that are reported when nobody says.
const DEFAULT_DAYS: u64 = 30;

/// What to report.
#[derive(Deserialize)]
pub(crate) struct Filter {
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    session_id: Option<Uuid>,
    agent_id: Option<Uuid>,
    after: Option<Uuid>,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
}

/// How satisfied customers were, of those asked in a time.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CsatReport {
    summary: CsatSummary,
    /// By who was responsible, the best first.
    agents: Vec<AgentCsat>,
    numbers: Vec<NumberCsat>,
    /// By day of the tenant's calendar.
    days: Vec<DayCsat>,
    /// One page of the answers, by the latest question.
    #[serde(rename(deserialize = "rows"))]
    data: Vec<CsatAnswer>,
    /// To be given as `after`, for the next page. Null on the last.
    next_cursor: Option<Uuid>,
}

/// All of it.
#[derive(Serialize, Deserialize, ToSchema)]
struct CsatSummary {
    asked: u64,
    answered: u64,
    /// From 1 to 5; null without an answer.
    average: Option<f64>,
    /// How many gave each score.
    scores: BTreeMap<String, u64>,
}

/// Of one agent.
#[derive(Serialize, Deserialize, ToSchema)]
struct AgentCsat {
    /// Null for those who are gone.
    agent_id: Option<Uuid>,
    name: Option<String>,
    asked: u64,
    answered: u64,
    average: Option<f64>,
}

/// Of one number.
#[derive(Serialize, Deserialize, ToSchema)]
struct NumberCsat {
    session_id: Uuid,
    asked: u64,
    answered: u64,
    average: Option<f64>,
}

/// Of one day.
#[derive(Serialize, Deserialize, ToSchema)]
struct DayCsat {
    date: NaiveDate,
    asked: u64,
    answered: u64,
    average: Option<f64>,
}

/// One answer.
#[derive(Serialize, Deserialize, ToSchema)]
struct CsatAnswer {
    id: Uuid,
    conversation_id: Uuid,
    session_id: Uuid,
    /// Who the conversation was assigned to, or who resolved it.
    agent_id: Option<Uuid>,
    resolved_by: Option<Uuid>,
    score: u8,
    asked_at: DateTime<Utc>,
    answered_at: DateTime<Utc>,
}

/// `/api/analytics/csat`.
pub fn router() -> Router<App> {
    Router::new().route("/api/analytics/csat", get(csat_report))
}

/// How satisfied customers were with resolved conversations: as a whole, by agent, number and day, and answer by answer.
/// Questions that could not be sent are not counted.
#[utoipa::path(
    get, path = "/api/analytics/csat", tag = "analytics", security(("bearer" = [])),
    params(
        ("from" = Option<DateTime<Utc>>, Query, description = "Asked since; by default 30 days before `until`"),
        ("until" = Option<DateTime<Utc>>, Query, description = "Asked before this moment; by default now"),
        ("session_id" = Option<Uuid>, Query), ("agent_id" = Option<Uuid>, Query),
        ("after" = Option<Uuid>, Query, description = "The `next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = CsatReport), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn csat_report(
    permitted: Permitted<ReportsView>,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Json<CsatReport>, ApiError> {
    // A minute ahead: the database's clock may be.
    let until = filter
        .until
        .unwrap_or_else(|| Utc::now() + chrono::Duration::minutes(1));
    let from = filter
        .from
        .or_else(|| until.checked_sub_days(Days::new(DEFAULT_DAYS)))
        .unwrap_or(until);
    let arguments = json!({
        "asked_from": from, "asked_until": until, "session_filter": filter.session_id,
        "agent_filter": filter.agent_id, "after": filter.after, "page_size": filter.limit,
    });
    Ok(Json(
        permitted.caller.database().rpc("csat_report", &arguments).await?,
    ))
}
