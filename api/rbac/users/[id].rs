//! `/api/rbac/users/{id}`: the roles of one person: show and replace.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::rbac::user())
}
