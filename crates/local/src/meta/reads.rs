//! Read receipts: the customers' messages that the application marked as read.

use parking_lot::Mutex;
use serde::Serialize;

/// All messages that were marked as read.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    reads: Mutex<Vec<Read>>,
}

/// A message that was marked as read.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Read {
    phone_number_id: String,
    message_id: String,
    typing: bool,
}

impl Reads {
    pub(crate) fn record(&self, phone_number_id: &str, message_id: &str, typing: bool) {
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
