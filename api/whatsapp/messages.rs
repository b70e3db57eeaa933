//! `/api/whatsapp/messages`: sends a message to a contact or a phone number.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(inbox::first_message())
}
