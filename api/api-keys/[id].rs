//! `/api/api-keys/{id}`: one key.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::api_keys::api_key())
}
