//! `/api/queue/retry`: the dead letters, once more.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::queue::retry())
}
