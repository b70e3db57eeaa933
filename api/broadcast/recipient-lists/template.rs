//! `/api/broadcast/recipient-lists/template`: the sample file of a recipient list.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(recipient_lists::sample_file())
}
