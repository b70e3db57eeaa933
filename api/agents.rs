//! `/api/agents`: the people of the organisation: list and add.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::agents::agents())
}
