//! `/api/messages/status`: the statuses of many messages.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::message_status())
}
