//! `/api/broadcast/recipient-lists/{id}/entries`: the entries of a recipient list.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::entries())
}
