//! `/api/crm/contacts/{id}`: one contact.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::contact())
}
