//! `/api/broadcast/templates/preview`: a preview of a message template, with its problems.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(templates::preview())
}
