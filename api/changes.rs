//! `/api/changes`: what a client missed.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::changes::router())
}
