//! `/api/crm/contacts/duplicates`: contacts that may be the same person.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::duplicates())
}
