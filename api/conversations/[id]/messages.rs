//! `/api/conversations/{id}/messages`: the messages of a conversation: list and send.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::messages())
}
