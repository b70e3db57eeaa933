//! `/api/not-found`: where `vercel.json` sends paths under `/api` that no function serves.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::not_found())
}
