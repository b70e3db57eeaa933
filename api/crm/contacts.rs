//! `/api/crm/contacts`: contacts.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::contacts())
}
