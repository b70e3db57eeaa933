//! `/api/crm/contacts/import`: contacts from files.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::import())
}
