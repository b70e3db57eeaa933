//! `/api/health/workers`: is the background work keeping up?

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::health::workers())
}
