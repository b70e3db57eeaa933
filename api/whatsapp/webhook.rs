//! `/api/whatsapp/webhook`: what Meta tells us.

use std::process::ExitCode;

function::allocate_quickly!();

fn main() -> ExitCode {
    function::serve(webhooks::webhook())
}
