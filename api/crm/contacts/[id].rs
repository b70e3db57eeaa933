//! `/api/crm/contacts/{id}`: one contact: show, change and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::contact())
}
