//! `/api/not-found`: answers 404: `vercel.json` sends paths under `/api` here that no function serves.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(crm_core::not_found())
}
