//! `/api/whatsapp/webhook`: receives webhooks from Meta.

use std::process::ExitCode;

function::allocate_quickly!();

fn main() -> ExitCode {
    function::serve(webhooks::webhook())
}
