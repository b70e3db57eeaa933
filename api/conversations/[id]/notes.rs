//! `/api/conversations/{id}/notes`: internal notes.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::notes())
}
