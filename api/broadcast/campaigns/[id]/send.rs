//! `/api/broadcast/campaigns/{id}/send`: sends a campaign.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::send())
}
