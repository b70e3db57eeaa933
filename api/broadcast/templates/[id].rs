//! `/api/broadcast/templates/{id}`: one message template: show, change and delete.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(templates::template())
}
