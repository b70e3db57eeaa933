//! `/api/crm/contacts/{id}/notes`: notes about a contact: list and add.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::notes())
}
