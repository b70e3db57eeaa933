//! `/api/rbac/templates`: permission templates: list, save and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::rbac::templates())
}
