//! `/api/conversations/{id}/typing`: shows the customer that a reply is being written.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::typing())
}
