//! `/api/broadcast/campaigns/{id}/resume`: resumes a campaign.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::resume())
}
