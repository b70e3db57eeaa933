//! `/api/agents/{id}`: one person: show, change and deactivate.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::agents::agent())
}
