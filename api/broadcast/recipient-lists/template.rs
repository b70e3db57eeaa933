//! `/api/broadcast/recipient-lists/template`: a table to fill in.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::template())
}
