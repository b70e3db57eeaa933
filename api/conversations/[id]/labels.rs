//! `/api/conversations/{id}/labels`: labels of a conversation.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::labels())
}
