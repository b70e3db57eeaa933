//! `/api/cron/replay-webhooks`: stores kept deliveries once more.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(webhooks::replay())
}
