//! `/api/crm/contacts/{id}/consents`: what a contact has said about marketing.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::consents())
}
