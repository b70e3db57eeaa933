//! `/api/crm/contacts/export`: contacts as a table.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::export())
}
