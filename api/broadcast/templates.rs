//! `/api/broadcast/templates`: message templates: list and create.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::templates::templates())
}
