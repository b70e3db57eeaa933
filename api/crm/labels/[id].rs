//! `/api/crm/labels/{id}`: one label.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::labels::label())
}
