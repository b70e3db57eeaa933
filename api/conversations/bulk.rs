//! `/api/conversations/bulk`: one action on many conversations.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::bulk())
}
