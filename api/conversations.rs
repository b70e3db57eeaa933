//! `/api/conversations`: the inbox.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::conversations())
}
