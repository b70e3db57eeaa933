//! `/api/crm/contacts/{id}/block`: blocks or unblocks a contact.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::block())
}
