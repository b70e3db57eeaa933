//! `/api/rbac/roles/{id}`: one role: show, change and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::rbac::role())
}
