//! `/api/whatsapp/media`: uploads a file to be sent.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(media::upload())
}
