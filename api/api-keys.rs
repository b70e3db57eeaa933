//! `/api/api-keys`: keys for integrations.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::api_keys::api_keys())
}
