//! `/api/conversations/{id}`: one conversation: show and change.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::conversation())
}
