//! `/api/broadcast/templates/preview`: what a message template looks like, and what is wrong with it.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(templates::preview())
}
