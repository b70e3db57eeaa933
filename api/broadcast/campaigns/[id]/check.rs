//! `/api/broadcast/campaigns/{id}/check`: what stands in a campaign's way.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::check())
}
