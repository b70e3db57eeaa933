//! `/api/whatsapp/sessions`: the connected numbers: list and connect.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(numbers::sessions())
}
