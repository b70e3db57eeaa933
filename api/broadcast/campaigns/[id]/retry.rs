//! `/api/broadcast/campaigns/{id}/retry`: sends to failed recipients again.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::retry())
}
