//! `/api/crm/contacts/{id}/merge`: merges two contacts.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::merge())
}
