//! `/api/health`: the health of the service.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::health::service())
}
