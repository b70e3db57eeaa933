//! `/api/broadcast/campaigns/{id}/resume`: goes on with a campaign.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::resume())
}
