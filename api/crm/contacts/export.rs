//! `/api/crm/contacts/export`: contacts as a CSV or XLSX file.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::export())
}
