//! `/api/cron/imports`: continues imports, every minute.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::imports())
}
