//! `/api/broadcast/recipient-lists/uploads`: where a large file can be put.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::uploads())
}
