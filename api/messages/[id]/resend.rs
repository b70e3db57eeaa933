//! `/api/messages/{id}/resend`: a failed message once more.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::resend())
}
