//! `/api/rbac/roles`: roles.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::rbac::roles())
}
