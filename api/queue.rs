//! `/api/queue`: the state of the queue.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::queue::status())
}
