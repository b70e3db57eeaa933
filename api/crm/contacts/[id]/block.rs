//! `/api/crm/contacts/{id}/block`: who is blocked.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::block())
}
