//! `/api/cron/replay-webhooks`: processes stored deliveries again.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(webhooks::replay())
}
