//! The customers' messages that the application marked as read.

use parking_lot::Mutex;
use serde::Serialize;

/// What a customer's phone shows with blue ticks.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    reads: Mutex<Vec<Read>>,
}

/// One message.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Read {
    phone_number_id: String,
    message_id: String,
    typing: bool,
}

impl Reads {
    pub(crate) fn note(&self, phone_number_id: &str, message_id: &str, typing: bool) {
        self.reads.lock().push(Read {
            phone_number_id: phone_number_id.to_owned(),
            message_id: message_id.to_owned(),
            typing,
        });
    }

    pub(crate) fn list(&self) -> Vec<Read> {
        self.reads.lock().clone()
    }

    pub(crate) fn clear(&self) {
        self.reads.lock().clear();
    }
}
