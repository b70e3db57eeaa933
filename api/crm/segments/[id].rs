//! `/api/crm/segments/{id}`: one segment.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::segments::segment())
}
