//! `/api/crm/fields`: custom fields of contacts: list and create.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::fields())
}
