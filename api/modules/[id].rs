//! `/api/modules/{id}`: one module.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::modules::module())
}
