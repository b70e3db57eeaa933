//! `/api/conversations/{id}/assign`: who answers.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::assign())
}
