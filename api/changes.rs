//! `/api/changes`: changes that a client missed.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::changes::router())
}
