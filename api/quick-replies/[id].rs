//! `/api/quick-replies/{id}`: one prepared answer.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::quick_replies::quick_reply())
}
