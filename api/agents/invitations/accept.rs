//! `/api/agents/invitations/accept`: an invitation as the invited person reads and accepts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::agents::accept_invitation())
}
