//! `/api/cron/process-broadcasts`: sends what is due, every minute.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::process_broadcasts())
}
