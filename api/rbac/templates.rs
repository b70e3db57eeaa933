//! `/api/rbac/templates`: named sets of permissions.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::rbac::templates())
}
