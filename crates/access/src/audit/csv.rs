//! The audit log as a table for spreadsheets.

use super::audit_log_list::AuditLog;
use tables::csv_table::{self, MARK};

const COLUMNS: &str =
    "id,occurred_at,actor_type,actor_id,actor_name,action,entity,entity_id,before,after,request_id,ip";

/// The first line, with the mark that has spreadsheets read UTF-8.
pub(super) fn header() -> String {
    format!("{MARK}{COLUMNS}\r\n")
}

/// A line for each entry.
pub(super) fn lines(entries: &[AuditLog]) -> String {
    let mut table = String::new();
    for entry in entries {
        let json =
            |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string).unwrap_or_default();
        let cells = [
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
        ];
        csv_table::push_line(&mut table, &cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let line = lines(&[entry]);
        assert_eq!(
            line,
            "1,1970-01-01T00:00:00+00:00,user,,\"'=HYPERLINK(\"\"x\"\")\",contacts.updated,,,\"{\"\"name\"\":\"\"A, B\"\"}\",,,\r\n"
        );
        assert_eq!(header().matches(',').count(), line.matches(',').count() - 1);
    }
}
