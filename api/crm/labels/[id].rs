//! `/api/crm/labels/{id}`: one label.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::labels::label())
}
