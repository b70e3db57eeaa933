//! `/api/quick-replies`: quick replies: list and create.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::quick_replies::quick_replies())
}
