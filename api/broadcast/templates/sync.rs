//! `/api/broadcast/templates/sync`: synchronises message templates from Meta.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(templates::sync())
}
