//! `/api/broadcast/campaigns/{id}/duplicate`: copies a campaign.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::duplicate())
}
