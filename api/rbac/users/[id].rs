//! `/api/rbac/users/{id}`: the roles of one person.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::rbac::user())
}
