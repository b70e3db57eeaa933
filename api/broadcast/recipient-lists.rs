//! `/api/broadcast/recipient-lists`: lists of people that campaigns are sent to.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::recipient_lists())
}
