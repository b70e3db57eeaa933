//! `/api/quick-replies/{id}/render`: a quick reply with its variables filled in for a conversation.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::quick_replies::render())
}
