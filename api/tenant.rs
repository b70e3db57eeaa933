//! `/api/tenant`: the organisation.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::tenancy::tenant())
}
