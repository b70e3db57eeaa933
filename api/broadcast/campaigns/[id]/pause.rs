//! `/api/broadcast/campaigns/{id}/pause`: pauses a campaign.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::pause())
}
