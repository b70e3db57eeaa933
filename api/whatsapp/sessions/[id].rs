//! `/api/whatsapp/sessions/{id}`: a connected number: show, change and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(numbers::session())
}
