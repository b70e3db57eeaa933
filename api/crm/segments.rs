//! `/api/crm/segments`: saved filters of contacts.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::segments::segments())
}
