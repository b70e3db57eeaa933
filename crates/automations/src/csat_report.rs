//! `GET /api/analytics/csat`: reports customer satisfaction.

use std::collections::BTreeMap;

use axum::Json;
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{default_limit, page_size};
use crm_core::permissions::ReportsView;
use crm_core::routes;

/// The number of days that a report without `from` covers.
const DEFAULT_DAYS: u64 = 30;

/// The filters of the report.
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

/// Customer satisfaction over a period.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CsatReport {
    summary: CsatSummary,
    /// The figures of each responsible person, the best average first.
    agents: Vec<AgentCsat>,
    numbers: Vec<NumberCsat>,
    /// The figures of each day of the tenant's calendar.
    days: Vec<DayCsat>,
    /// One page of answers, sorted by the latest question.
    #[serde(rename(deserialize = "rows"))]
    data: Vec<CsatAnswer>,
    /// The value of `after` for the next page. Null on the last page.
    next_cursor: Option<Uuid>,
}

/// The figures of the whole period.
#[derive(Serialize, Deserialize, ToSchema)]
struct CsatSummary {
    asked: u64,
    answered: u64,
    /// The average score, from 1 to 5. Null without an answer.
    #[schema(example = 4.6)]
    average: Option<f64>,
    /// The number of answers with each score.
    #[schema(example = json!({"1": 0, "2": 1, "3": 2, "4": 9, "5": 30}))]
    scores: BTreeMap<String, u64>,
}

/// The figures of one agent.
#[derive(Serialize, Deserialize, ToSchema)]
struct AgentCsat {
    /// The agent. Null if the person has been removed.
    agent_id: Option<Uuid>,
    #[schema(example = "Putri Ayu")]
    name: Option<String>,
    asked: u64,
    answered: u64,
    average: Option<f64>,
}

/// The figures of one number.
#[derive(Serialize, Deserialize, ToSchema)]
struct NumberCsat {
    session_id: Uuid,
    asked: u64,
    answered: u64,
    average: Option<f64>,
}

/// The figures of one day.
#[derive(Serialize, Deserialize, ToSchema)]
struct DayCsat {
    date: NaiveDate,
    asked: u64,
    answered: u64,
    average: Option<f64>,
}

/// One answer of a customer.
#[derive(Serialize, Deserialize, ToSchema)]
struct CsatAnswer {
    id: Uuid,
    conversation_id: Uuid,
    session_id: Uuid,
    /// The person to whom the conversation was assigned, or who resolved it.
    agent_id: Option<Uuid>,
    resolved_by: Option<Uuid>,
    score: u8,
    asked_at: DateTime<Utc>,
    answered_at: DateTime<Utc>,
}

/// `/api/analytics/csat`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(csat_report))
}

/// Report customer satisfaction.
///
/// The report covers the satisfaction questions that were asked between `from` and `until`: a summary, the figures by
/// agent, number and day, and a page of answers. Questions that could not be sent are not counted.
#[utoipa::path(
    get, path = "/api/analytics/csat", tag = "analytics",
    params(
        ("from" = Option<DateTime<Utc>>, Query, description = "Only questions asked from this moment on; 30 days before `until` if left out"),
        ("until" = Option<DateTime<Utc>>, Query, description = "Only questions asked before this moment; now if left out"),
        ("session_id" = Option<Uuid>, Query, description = "Only conversations with this connected number"),
        ("agent_id" = Option<Uuid>, Query, description = "Only conversations of this person"),
        ("after" = Option<Uuid>, Query, description = "The `next_cursor` of the previous page"),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = CsatReport)),
)]
pub(crate) async fn csat_report(
    permitted: Permitted<ReportsView>,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Json<CsatReport>, ApiError> {
    // The database's clock may be ahead: the default end lies a minute in the future.
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
