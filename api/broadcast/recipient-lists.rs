//! `/api/broadcast/recipient-lists`: recipient lists: list and create.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::recipient_lists())
}
