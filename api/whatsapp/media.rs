//! `/api/whatsapp/media`: upload a file to be sent.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(media::upload())
}
