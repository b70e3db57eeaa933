//! `/api/quick-replies`: prepared answers.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::quick_replies::quick_replies())
}
