//! `/api/broadcast/debug/queue`: the queue, under its former name.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::queue::debug_queue())
}
