//! `/api/automations`: business hours, and what is said by itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(automations::automations())
}
