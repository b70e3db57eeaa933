//! `/api/crm/labels`: labels: list and create.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::labels::labels())
}
