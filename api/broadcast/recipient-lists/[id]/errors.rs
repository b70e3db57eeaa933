//! `/api/broadcast/recipient-lists/{id}/errors`: what is not on a list, and why.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::row_errors())
}
