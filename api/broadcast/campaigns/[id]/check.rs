//! `/api/broadcast/campaigns/{id}/check`: lists the problems that keep a campaign from being sent, with an estimate.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::check())
}
