//! `/api/analytics/csat`: the report on customer satisfaction.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(automations::csat())
}
