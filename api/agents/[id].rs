//! `/api/agents/{id}`: one person of the tenant.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::agents::agent())
}
