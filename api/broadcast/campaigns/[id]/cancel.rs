//! `/api/broadcast/campaigns/{id}/cancel`: ends a campaign before its time.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::cancel())
}
