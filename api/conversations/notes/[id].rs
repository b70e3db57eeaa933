//! `/api/conversations/notes/{id}`: one internal note: change and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::note())
}
