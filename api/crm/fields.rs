//! `/api/crm/fields`: what an organisation keeps of its contacts.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::fields())
}
