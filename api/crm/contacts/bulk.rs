//! `/api/crm/contacts/bulk`: one action on many contacts.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::bulk())
}
