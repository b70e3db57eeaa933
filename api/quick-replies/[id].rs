//! `/api/quick-replies/{id}`: one prepared answer.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::quick_replies::quick_reply())
}
