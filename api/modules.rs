//! `/api/modules`: the registry of modules.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::modules::modules())
}
