//! `/api/broadcast/campaigns/{id}`: one campaign: show, change and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::campaign())
}
