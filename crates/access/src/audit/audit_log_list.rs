//! `GET /api/audit-logs`, as pages or as CSV.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::csv;
use crm_core::app::App;
use crm_core::caller::{Caller, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::field_rules::optional_text;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{default_limit, page_size};
use crm_core::permissions::{AuditExport, AuditView};
use tables::csv_table;

/// Entries of the log are exported in pieces of so many.
const EXPORT_PAGE: u32 = 1000;

/// An entry of the log.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditLog {
    pub(super) id: String,
    pub(super) occurred_at: DateTime<Utc>,
    /// `user`, `api_key` or `system`
    pub(super) actor_type: String,
    pub(super) actor_id: Option<Uuid>,
    /// As it was then.
    pub(super) actor_name: Option<String>,
    /// `<entity>.created`, `.updated`, `.deleted`, or a security event such as `permission.refused`.
    #[schema(example = "user_roles.created")]
    pub(super) action: String,
    pub(super) entity: Option<String>,
    pub(super) entity_id: Option<String>,
    /// What was changed or deleted, with secrets masked.
    pub(super) before: Option<Value>,
    /// What was created, or what a change made of it.
    pub(super) after: Option<Value>,
    pub(super) request_id: Option<String>,
    pub(super) ip: Option<String>,
}

/// A page of the log.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditLogPage {
    #[serde(rename(deserialize = "rows"))]
    data: Vec<AuditLog>,
    /// To be given as `before`, for the page below. Null on the last page.
    next_cursor: Option<String>,
}

/// What to list.
#[derive(Clone, Deserialize)]
pub(crate) struct Filter {
    actor: Option<Uuid>,
    action: Option<String>,
    entity: Option<String>,
    entity_id: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "cursor")]
    before: Option<i64>,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
    #[serde(default)]
    format: Format,
}

/// How to answer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Json,
    Csv,
}

fn cursor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let id = text.parse().ok().filter(|id| *id > 0);
    id.map(Some)
        .ok_or_else(|| serde::de::Error::custom("must be a next_cursor"))
}

/// `/api/audit-logs`.
pub fn router() -> Router<App> {
    Router::new().route("/api/audit-logs", get(list_audit_logs))
}

/// The audit log, the newest first. As CSV, every entry that the filters leave.
#[utoipa::path(
    get, path = "/api/audit-logs", tag = "audit", security(("bearer" = [])),
    params(
        ("actor" = Option<Uuid>, Query, description = "A person's or an API key's id"),
        ("action" = Option<String>, Query, example = "user_roles.created"),
        ("entity" = Option<String>, Query, example = "user_roles"),
        ("entity_id" = Option<String>, Query),
        ("since" = Option<DateTime<Utc>>, Query),
        ("until" = Option<DateTime<Utc>>, Query, description = "Before this moment"),
        ("before" = Option<String>, Query, description = "The `next_cursor` of the page above"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("format" = Option<Format>, Query, description = "`csv` needs `audit.export` too"),
    ),
    responses(
        (status = 200, content((AuditLogPage = "application/json"), (String = "text/csv"))),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn list_audit_logs(
    permitted: Permitted<AuditView>,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Response, ApiError> {
    for (field, text) in [
        ("action", &filter.action),
        ("entity", &filter.entity),
        ("entity_id", &filter.entity_id),
    ] {
        optional_text(field, text.as_deref().unwrap_or_default(), 200)?;
    }
    let caller = permitted.caller;
    if filter.format == Format::Csv {
        caller.require::<AuditExport>()?;
        return export(caller, filter).await;
    }
    Ok(Json(read_page(&caller, &filter, filter.before, filter.limit).await?).into_response())
}

async fn read_page(
    caller: &Caller,
    filter: &Filter,
    before: Option<i64>,
    size: u32,
) -> Result<AuditLogPage, ApiError> {
    let arguments = json!({
        "actor": filter.actor, "action": filter.action, "entity": filter.entity, "entity_id": filter.entity_id,
        "since": filter.since, "until": filter.until, "before_id": before, "page_size": size,
    });
    caller.database().rpc("list_audit_logs", &arguments).await
}

/// Streams the log page by page: its length does not matter. The first page is read before the answer begins, so that
/// what is wrong is told as an error.
async fn export(caller: Caller, filter: Filter) -> Result<Response, ApiError> {
    let first = read_page(&caller, &filter, filter.before, EXPORT_PAGE).await?;
    let head = csv::header();
    let rest = stream::unfold(Some((caller, filter, first)), |state| async move {
        let (caller, filter, page) = state?;
        let lines = Ok::<_, std::io::Error>(Bytes::from(csv::lines(&page.data)));
        let next = match page.next_cursor.and_then(|cursor| cursor.parse().ok()) {
            None => None,
            Some(cursor) => match read_page(&caller, &filter, Some(cursor), EXPORT_PAGE).await {
                Ok(page) => Some((caller, filter, page)),
                Err(error) => {
                    log::error!("an export of the audit log breaks off: {}", error.code());
                    // A shortened file must not look like a whole one.
                    return Some((Err(std::io::Error::other("the export broke off")), None));
                }
            },
        };
        Some((lines, next))
    });
    let body = stream::once(async move { Ok(Bytes::from(head)) });
    Ok((
        csv_table::headers("audit-logs.csv"),
        Body::from_stream(futures_util::StreamExt::chain(body, rest)),
    )
        .into_response())
}
