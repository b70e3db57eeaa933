//! `/api/agents`: people of the tenant.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::agents::agents())
}
