//! `/api/broadcast/campaigns/{id}/complete`: re-checks a campaign, and completes it if no recipient is pending.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::complete())
}
