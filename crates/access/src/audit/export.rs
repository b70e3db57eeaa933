//! The audit log as a table for spreadsheets.

use super::audit_log_list::{AuditLog, AuditLogPage, Filter, read_page};
use crm_core::caller::Caller;
use crm_core::error::ApiError;
use tables::table_export::{AuditedQuery, Export, PagedQuery};

/// The number of entries that one query reads.
const PAGE: u32 = 1000;
const COLUMNS: [&str; 12] = [
    "id",
    "occurred_at",
    "actor_type",
    "actor_id",
    "actor_name",
    "action",
    "entity",
    "entity_id",
    "before",
    "after",
    "request_id",
    "ip",
];

/// Every entry that passes the filters, newest first.
pub(super) struct AuditLogs {
    pub(super) caller: Caller,
    pub(super) filter: Filter,
}

impl PagedQuery for AuditLogs {
    type Page = AuditLogPage;
    type Cursor = i64;

    async fn page(&self, cursor: Option<i64>) -> Result<AuditLogPage, ApiError> {
        read_page(&self.caller, &self.filter, cursor.or(self.filter.before), PAGE).await
    }

    fn next(page: &AuditLogPage) -> Option<i64> {
        page.next_cursor.as_deref()?.parse().ok()
    }

    fn columns(&self, _first: &AuditLogPage) -> Vec<String> {
        COLUMNS.map(str::to_owned).into()
    }

    fn rows(&self, page: &AuditLogPage) -> Vec<Vec<String>> {
        page.data.iter().map(|entry| row(entry).into()).collect()
    }
}

impl AuditedQuery for AuditLogs {
    fn export(&self) -> Export<'_> {
        Export {
            caller: &self.caller,
            table: "audit_logs",
            of: None,
            filters: self.filter.to_json(),
        }
    }
}

fn row(entry: &AuditLog) -> [String; COLUMNS.len()] {
    let json =
        |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    [
        entry.id.clone(),
        entry.occurred_at.to_rfc3339(),
        entry.actor_type.clone(),
        entry.actor_id.map(|id| id.to_string()).unwrap_or_default(),
        entry.actor_name.clone().unwrap_or_default(),
        entry.action.clone(),
        entry.entity.clone().unwrap_or_default(),
        entry.entity_id.clone().unwrap_or_default(),
        json(&entry.before),
        json(&entry.after),
        entry.request_id.clone().unwrap_or_default(),
        entry.ip.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tables::csv_table;

    #[test]
    fn cells_are_quoted_and_formulas_are_not_run() {
        let entry = AuditLog {
            id: "1".to_owned(),
            occurred_at: chrono::DateTime::UNIX_EPOCH,
            actor_type: "user".to_owned(),
            actor_id: None,
            actor_name: Some("=HYPERLINK(\"x\")".to_owned()),
            action: "contacts.updated".to_owned(),
            entity: None,
            entity_id: None,
            before: Some(serde_json::json!({"name": "A, B"})),
            after: None,
            request_id: None,
            ip: None,
        };
        let mut line = String::new();
        csv_table::push_line(&mut line, &row(&entry));
        assert_eq!(
            line,
            "1,1970-01-01T00:00:00+00:00,user,,\"'=HYPERLINK(\"\"x\"\")\",contacts.updated,,,\"{\"\"name\"\":\"\"A, B\"\"}\",,,\r\n"
        );
    }
}
