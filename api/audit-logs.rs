//! `/api/audit-logs`: who did what.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::audit::audit_logs())
}
