//! `/api/crm/fields/{id}`: one field of contacts.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::field())
}
