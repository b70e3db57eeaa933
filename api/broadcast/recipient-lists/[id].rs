//! `/api/broadcast/recipient-lists/{id}`: one list.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::recipient_list())
}
