//! `/api/conversations/{id}/notes`: internal notes of a conversation: list and add.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::notes())
}
