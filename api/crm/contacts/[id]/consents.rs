//! `/api/crm/contacts/{id}/consents`: consent of a contact to marketing.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(contacts::consents())
}
