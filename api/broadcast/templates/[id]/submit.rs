//! `/api/broadcast/templates/{id}/submit`: has Meta review a message template.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(templates::submit())
}
