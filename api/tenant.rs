//! `/api/tenant`: the organisation: create, show and change.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::tenancy::tenant())
}
