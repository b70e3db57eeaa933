//! `/api/crm/contacts/{id}/timeline`: what happened with a contact.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::timeline())
}
