//! `/api/openapi.json`: the OpenAPI document.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm::openapi())
}
