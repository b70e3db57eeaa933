//! `/api/broadcast/templates/sync`: reads message templates from Meta.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(templates::sync())
}
