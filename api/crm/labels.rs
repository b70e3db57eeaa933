//! `/api/crm/labels`: labels.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::labels::labels())
}
