//! `/api/cron/imports`: goes on with imports, every minute.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::imports())
}
