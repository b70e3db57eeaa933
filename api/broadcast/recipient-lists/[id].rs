//! `/api/broadcast/recipient-lists/{id}`: one list.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::recipient_lists::recipient_list())
}
