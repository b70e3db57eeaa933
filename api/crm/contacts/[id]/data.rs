//! `/api/crm/contacts/{id}/data`: personal data of a contact: export and erase.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::personal_data())
}
