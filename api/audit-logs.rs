//! `/api/audit-logs`: who did what.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::audit::audit_logs())
}
