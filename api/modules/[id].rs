//! `/api/modules/{id}`: one module: show, switch on and off.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::modules::module())
}
