//! `/api/broadcast/campaigns/{id}/pause`: pauses a campaign.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::broadcasts::pause())
}
