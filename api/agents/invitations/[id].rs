//! `/api/agents/invitations/{id}`: withdraws an invitation.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::agents::invitation())
}
