//! `GET /api/audit-logs`, as pages or as CSV.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::export::AuditLogs;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::QueryParameters;
use crm_core::paging::{default_limit, page_size};
use crm_core::permissions::{AuditExport, AuditView};
use crm_core::routes;
use tables::table_export::{TableFormat, download};

crm_core::words! {
    /// The kind of the actor.
    pub(crate) ActorType = "user", "api_key", "system";
}

/// An entry of the log.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditLog {
    #[schema(example = "4711")]
    pub(super) id: String,
    pub(super) occurred_at: DateTime<Utc>,
    /// `user`, `api_key` or `system`
    #[schema(value_type = ActorType)]
    pub(super) actor_type: String,
    pub(super) actor_id: Option<Uuid>,
    /// The name of the actor at that time.
    #[schema(example = "Putri Ayu")]
    pub(super) actor_name: Option<String>,
    /// `<entity>.created`, `.updated`, `.deleted`, or a security event such as `permission.refused`.
    #[schema(example = "user_roles.created")]
    pub(super) action: String,
    #[schema(example = "user_roles")]
    pub(super) entity: Option<String>,
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10")]
    pub(super) entity_id: Option<String>,
    /// The state before the change or the deletion, with secrets masked.
    #[schema(required)]
    pub(super) before: Option<Value>,
    /// The state after the change or the creation.
    #[schema(required)]
    pub(super) after: Option<Value>,
    #[schema(example = "9b2f4c1e")]
    pub(super) request_id: Option<String>,
    #[schema(example = "203.0.113.7")]
    pub(super) ip: Option<String>,
}

/// A page of the log.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditLogPage {
    #[serde(rename(deserialize = "rows"))]
    pub(super) data: Vec<AuditLog>,
    /// The value of `before` for the next, older page. Null on the last page.
    pub(super) next_cursor: Option<String>,
}

/// The filters of the list.
#[derive(Deserialize)]
pub(crate) struct Filter {
    actor: Option<Uuid>,
    action: Option<String>,
    entity: Option<String>,
    entity_id: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "cursor")]
    pub(super) before: Option<i64>,
    #[serde(default = "default_limit", deserialize_with = "page_size")]
    limit: u32,
    #[serde(default)]
    format: Format,
}

impl Filter {
    /// What the entries must be.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "actor": self.actor, "action": self.action, "entity": self.entity, "entity_id": self.entity_id,
            "since": self.since, "until": self.until,
        })
    }
}

/// The format of the answer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuditLogFormat)]
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
pub fn router() -> Routes {
    Routes::new().routes(routes!(list_audit_logs))
}

/// List the audit log.
///
/// The newest entry comes first. Filters can be combined. With `format=csv` the answer is a file with every entry that
/// passes the filters; it needs `audit.export` as well.
#[utoipa::path(
    get, path = "/api/audit-logs", tag = "audit",
    params(
        ("actor" = Option<Uuid>, Query, description = "The id of the person or API key that acted"),
        ("action" = Option<String>, Query, description = "The action, exactly", example = "user_roles.created"),
        ("entity" = Option<String>, Query, description = "The kind of the thing that was changed", example = "user_roles"),
        ("entity_id" = Option<String>, Query, description = "The id of the thing that was changed"),
        ("since" = Option<DateTime<Utc>>, Query, description = "Only entries from this moment on"),
        ("until" = Option<DateTime<Utc>>, Query, description = "Only entries before this moment"),
        ("before" = Option<String>, Query, description = "The `next_cursor` of the previous page"),
        ("limit" = Option<u32>, Query, description = "The most entries of a page; 20 if left out", minimum = 1, maximum = 100),
        ("format" = inline(Option<Format>), Query, description = "`csv` answers with a file; it needs `audit.export` as well"),
    ),
    responses((status = 200, content((AuditLogPage = "application/json"), (String = "text/csv")))),
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
        return download(AuditLogs { caller, filter }, TableFormat::Csv, "audit-logs").await;
    }
    Ok(Json(read_page(&caller, &filter, filter.before, filter.limit).await?).into_response())
}

/// Reads the page of entries older than `before`.
pub(super) async fn read_page(
    caller: &Caller,
    filter: &Filter,
    before: Option<i64>,
    size: u32,
) -> Result<AuditLogPage, ApiError> {
    let mut arguments = filter.to_json();
    arguments["before_id"] = json!(before);
    arguments["page_size"] = json!(size);
    caller.database().rpc("list_audit_logs", &arguments).await
}
