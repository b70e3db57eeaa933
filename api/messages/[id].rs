//! `/api/messages/{id}`: one message and its history.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::message())
}
