//! `/api/auth/leave`: ends the caller's membership.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::tenancy::leave())
}
