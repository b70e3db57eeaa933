//! `/api/crm/fields/{id}`: one custom field: change and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::field())
}
