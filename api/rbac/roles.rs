//! `/api/rbac/roles`: roles: list and create.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::rbac::roles())
}
