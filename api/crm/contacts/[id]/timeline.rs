//! `/api/crm/contacts/{id}/timeline`: the timeline of a contact.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::timeline())
}
