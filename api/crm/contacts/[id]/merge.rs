//! `/api/crm/contacts/{id}/merge`: two contacts that are one person.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::merge())
}
