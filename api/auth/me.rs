//! `/api/auth/me`: who the caller is.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::tenancy::me())
}
