//! `/api/api-keys`: keys for integrations.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::api_keys::api_keys())
}
