//! `/api/api-keys/{id}`: one API key: revoke.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::api_keys::api_key())
}
