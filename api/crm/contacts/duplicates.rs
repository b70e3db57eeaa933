//! `/api/crm/contacts/duplicates`: contacts that may be one person.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::duplicates())
}
