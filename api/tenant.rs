//! `/api/tenant`: the organisation.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::tenancy::tenant())
}
