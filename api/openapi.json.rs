//! `/api/openapi.json`: the API described.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::openapi())
}
