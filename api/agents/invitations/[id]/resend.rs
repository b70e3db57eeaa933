//! `/api/agents/invitations/{id}/resend`: mails an invitation again.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::agents::resend_invitation())
}
