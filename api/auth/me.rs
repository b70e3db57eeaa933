//! `/api/auth/me`: the caller, with roles and permissions.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::tenancy::me())
}
