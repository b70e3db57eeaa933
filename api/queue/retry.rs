//! `/api/queue/retry`: queues failed recipients again.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::queue::retry())
}
