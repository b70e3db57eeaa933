//! `/api/broadcast/templates/{id}/submit`: submits a message template to Meta for review.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(templates::submit())
}
