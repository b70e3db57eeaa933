//! `/api/agents/invitations`: invitations that are open.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::agents::invitations())
}
