//! `/api/broadcast/debug/scheduled`: campaigns that wait for their time.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::queue::scheduled())
}
