//! `/api/messages/{id}/resend`: sends a failed message again.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::resend())
}
