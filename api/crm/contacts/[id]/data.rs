//! `/api/crm/contacts/{id}/data`: everything about one person.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::personal_data())
}
