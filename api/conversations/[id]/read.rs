//! `/api/conversations/{id}/read`: marks a conversation as read.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::read())
}
