//! `/api/crm/contacts/bulk`: one thing with many contacts.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::bulk())
}
