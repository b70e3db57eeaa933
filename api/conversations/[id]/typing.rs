//! `/api/conversations/{id}/typing`: show that somebody is typing.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::typing())
}
