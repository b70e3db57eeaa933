//! `/api/broadcast/campaigns`: campaigns: list and create.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(broadcasts::campaigns())
}
