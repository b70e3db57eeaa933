//! `/api/broadcast/campaigns/{id}/cancel`: cancels a campaign.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::cancel())
}
