//! `/api/quick-replies`: prepared answers.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::quick_replies::quick_replies())
}
