//! `/api/cron/housekeeping`: what is looked after every hour.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::housekeeping::housekeeping())
}
