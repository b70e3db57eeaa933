//! The results of a run for one number.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use sending::outcome::Outcome;

/// The results of a run for one number.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct NumberReport {
    session_id: Uuid,
    sent: u32,
    failed: u32,
    /// Messages that Meta refused temporarily and that are tried again later.
    retried: u32,
    /// Messages handed to Meta without an answer.
    unknown: u32,
}

impl NumberReport {
    pub(super) fn new(session_id: Uuid) -> Self {
        Self {
            session_id,
            ..Self::default()
        }
    }

    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Sent => self.sent += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Retry | Outcome::Held => self.retried += 1,
            Outcome::Unknown => self.unknown += 1,
        }
    }
}
