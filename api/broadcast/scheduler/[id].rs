//! `/api/broadcast/scheduler/{id}`: starts, stops or triggers the scheduler.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::queue::scheduler())
}
