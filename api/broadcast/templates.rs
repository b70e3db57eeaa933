//! `/api/broadcast/templates`: message templates: list and create.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(templates::templates())
}
