//! `/api/rbac/permissions`: the permissions.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::rbac::permissions())
}
