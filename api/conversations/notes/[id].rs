//! `/api/conversations/notes/{id}`: one internal note.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::note())
}
