//! `/api/broadcast/recipient-lists/uploads`: an address for the upload of a large file.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::uploads())
}
