//! `/api/crm/labels/{id}`: one label: change and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::labels::label())
}
