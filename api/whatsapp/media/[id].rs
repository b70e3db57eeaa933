//! `/api/whatsapp/media/{id}`: one file: open and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(media::file())
}
