//! `/api/conversations/{id}`: one conversation.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::conversation())
}
