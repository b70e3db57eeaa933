//! `/api/broadcast/campaigns/{id}/recipients`: the recipients of a campaign.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::recipients())
}
