//! `/api/analytics/csat`: how satisfied customers were.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(automations::csat())
}
