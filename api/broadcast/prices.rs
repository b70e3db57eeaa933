//! `/api/broadcast/prices`: prices of messages.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::prices())
}
