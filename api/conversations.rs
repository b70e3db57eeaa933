//! `/api/conversations`: the inbox: list of conversations.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::conversations())
}
