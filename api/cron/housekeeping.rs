//! `/api/cron/housekeeping`: the hourly housekeeping.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::housekeeping::housekeeping())
}
