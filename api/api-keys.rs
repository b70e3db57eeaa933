//! `/api/api-keys`: API keys for integrations: list and create.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::api_keys::api_keys())
}
