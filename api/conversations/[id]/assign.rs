//! `/api/conversations/{id}/assign`: assigns a conversation.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::assign())
}
