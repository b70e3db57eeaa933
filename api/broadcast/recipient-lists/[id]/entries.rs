//! `/api/broadcast/recipient-lists/{id}/entries`: who is on a list.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::entries())
}
