//! `/api/rbac/templates`: named sets of permissions.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::rbac::templates())
}
