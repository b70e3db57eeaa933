//! `/api/crm/contacts/{id}/notes`: notes about a contact.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::notes())
}
