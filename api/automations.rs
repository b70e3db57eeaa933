//! `/api/automations`: settings of the automatic messages.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(automations::automations())
}
