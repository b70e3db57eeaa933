//! `/api/crm/contacts/import`: imports contacts from files.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::import())
}
