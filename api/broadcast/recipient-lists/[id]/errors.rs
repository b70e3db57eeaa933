//! `/api/broadcast/recipient-lists/{id}/errors`: the rows that were not imported into a recipient list, with the reasons.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::row_errors())
}
