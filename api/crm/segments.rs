//! `/api/crm/segments`: segments, which are saved filters of contacts: list and create.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::segments::segments())
}
