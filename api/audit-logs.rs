//! `/api/audit-logs`: the audit log.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::audit::audit_logs())
}
