//! `/api/messages/{id}/forward`: forwards a message to other conversations.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::forward())
}
