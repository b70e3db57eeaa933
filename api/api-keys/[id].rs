//! `/api/api-keys/{id}`: one key.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::api_keys::api_key())
}
