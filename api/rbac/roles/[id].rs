//! `/api/rbac/roles/{id}`: one role.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::rbac::role())
}
