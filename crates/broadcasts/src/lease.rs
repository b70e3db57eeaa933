//! The lease of a number, as this process knows it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::sender_queue::LEASE;

/// The time until which the lease surely holds. The database's clock decides; this side never assumes a longer lease.
pub(super) struct Lease {
    until: Mutex<Instant>,
}

impl Lease {
    /// A lease that was requested at `asked`.
    pub(super) fn since(asked: Instant) -> Self {
        Self {
            until: Mutex::new(asked + LEASE),
        }
    }

    pub(super) fn holds(&self) -> bool {
        Instant::now() < *self.until()
    }

    /// Renews from the time of the request: the database started the lease no earlier.
    pub(super) fn renew(&self, asked: Instant) {
        *self.until() = asked + LEASE;
    }

    fn until(&self) -> MutexGuard<'_, Instant> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
