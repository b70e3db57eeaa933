//! `/api/crm/segments/{id}`: one segment.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::segments::segment())
}
