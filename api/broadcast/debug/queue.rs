//! `/api/broadcast/debug/queue`: the state of the queue, at its former address.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::queue::debug_queue())
}
