//! `/api/broadcast/debug/scheduled`: scheduled campaigns that are not due yet.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::queue::scheduled())
}
