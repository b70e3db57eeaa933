//! `/api/crm/contacts`: contacts: list and create.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::contacts())
}
