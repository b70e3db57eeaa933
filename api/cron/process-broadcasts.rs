//! `/api/cron/process-broadcasts`: sends due messages, every minute.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::process_broadcasts())
}
