//! `/api/crm/segments/preview`: whom a filter would leave.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::segments::preview())
}
