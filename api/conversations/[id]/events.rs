//! `/api/conversations/{id}/events`: the history of a conversation.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::events())
}
