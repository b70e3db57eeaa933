//! `/api/broadcast/recipient-lists/{id}`: one recipient list: show, change and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::recipient_list())
}
