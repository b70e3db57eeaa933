//! `/api/broadcast/prices`: what Meta asks for a message.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::prices())
}
