//! `/api/broadcast/campaigns/{id}`: one campaign.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::campaign())
}
