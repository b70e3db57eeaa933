//! `/api/crm/segments/{id}`: one segment: show, change and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::segments::segment())
}
