//! `/api/whatsapp/media/published`: published files of templates and quick replies: list and publish.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(media::published::files())
}
