//! `/api/broadcast/campaigns/{id}/complete`: has a campaign looked at.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::complete())
}
