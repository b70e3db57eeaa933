//! `/api/whatsapp/media/published/{id}`: one published file: delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(media::published::file())
}
