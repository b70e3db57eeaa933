//! `/api/health`: is the service well?

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::health::service())
}
