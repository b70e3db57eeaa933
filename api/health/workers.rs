//! `/api/health/workers`: the health of the background work.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::health::workers())
}
