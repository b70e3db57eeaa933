//! The claims of a sender that are not completely recorded yet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use uuid::Uuid;

/// The number of messages of each claim that are still to be recorded.
#[derive(Debug, Default)]
pub struct OutstandingClaims {
    left: Mutex<HashMap<Uuid, usize>>,
    recorded: Notify,
}

impl OutstandingClaims {
    /// Adds a claim with its number of messages.
    pub fn add(&self, claim: Uuid, messages: usize) {
        self.left().insert(claim, messages);
    }

    /// Subtracts recorded outcomes, each named by its claim, and wakes [`Self::next_record`].
    pub fn settle(&self, recorded: impl IntoIterator<Item = Uuid>) {
        let mut left = self.left();
        for claim in recorded {
            if let Some(messages) = left.get_mut(&claim) {
                *messages = messages.saturating_sub(1);
            }
        }
        left.retain(|_, messages| *messages > 0);
        drop(left);
        self.recorded.notify_waiters();
    }

    /// The ids of the outstanding claims.
    pub fn known(&self) -> Vec<Uuid> {
        self.left().keys().copied().collect()
    }

    /// Waits for the next record after this call, even before the first poll. None when every claimed message is
    /// recorded.
    pub fn next_record(&self) -> Option<Notified<'_>> {
        let recorded = self.recorded.notified();
        (!self.left().is_empty()).then_some(recorded)
    }

    fn left(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_outstanding_until_its_last_message_is_recorded() {
        let claims = OutstandingClaims::default();
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        claims.add(first, 2);
        claims.add(second, 1);
        claims.settle([first, second]);
        assert_eq!(claims.known(), [first]);
        assert!(claims.next_record().is_some());
        claims.settle([first, first]);
        assert!(claims.known().is_empty() && claims.next_record().is_none());
    }

    #[tokio::test]
    async fn a_record_before_the_first_poll_is_not_missed() {
        let claims = OutstandingClaims::default();
        claims.add(Uuid::nil(), 1);
        let recorded = claims.next_record().unwrap();
        claims.settle([Uuid::nil()]);
        recorded.await;
    }
}
