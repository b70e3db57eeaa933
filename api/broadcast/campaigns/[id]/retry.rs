//! `/api/broadcast/campaigns/{id}/retry`: tries failed recipients again.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::retry())
}
