//! `/api/rbac/permissions`: what can be permitted.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::rbac::permissions())
}
