//! `/api/quick-replies/{id}/render`: a prepared answer as it reads in a conversation.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::quick_replies::render())
}
