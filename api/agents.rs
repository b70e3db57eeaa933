//! `/api/agents`: people of the tenant.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::agents::agents())
}
