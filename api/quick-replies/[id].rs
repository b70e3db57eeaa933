//! `/api/quick-replies/{id}`: one quick reply: show, change and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::quick_replies::quick_reply())
}
