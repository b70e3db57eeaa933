//! The lease of a number, as far as this process knows it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::sender_queue::LEASE;

/// Until when the lease is known to hold. The database's clock decides; this side never believes in a longer lease.
pub(super) struct Lease {
    until: Mutex<Instant>,
}

impl Lease {
    /// A lease that was given since `asked`.
    pub(super) fn since(asked: Instant) -> Self {
        Self {
            until: Mutex::new(asked + LEASE),
        }
    }

    pub(super) fn holds(&self) -> bool {
        Instant::now() < *self.until()
    }

    /// Counts from before the question: the database's clock started no earlier.
    pub(super) fn renew(&self, asked: Instant) {
        *self.until() = asked + LEASE;
    }

    fn until(&self) -> MutexGuard<'_, Instant> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
