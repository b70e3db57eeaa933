//! `/api/crm/segments/preview`: the contacts that a filter selects.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::segments::preview())
}
