//! The clock by which rules are judged. Tests can stop and move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

const RUNNING: i64 = i64::MIN;

/// A clock in milliseconds since 1970 that runs, or stands still until it is moved.
#[derive(Debug, Clone)]
pub struct Clock {
    held_at: Arc<AtomicI64>,
}

impl Clock {
    /// The computer's clock.
    pub fn running() -> Self {
        Self {
            held_at: Arc::new(AtomicI64::new(RUNNING)),
        }
    }

    /// A clock that stands still at `now` until [`Clock::advance`] moves it.
    pub fn held(now: DateTime<Utc>) -> Self {
        Self {
            held_at: Arc::new(AtomicI64::new(now.timestamp_millis())),
        }
    }

    /// Moves a stopped clock forward. A running one does not change.
    pub fn advance(&self, milliseconds: i64) {
        if self.held_at.load(Ordering::Acquire) != RUNNING {
            self.held_at.fetch_add(milliseconds, Ordering::AcqRel);
        }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match self.held_at.load(Ordering::Acquire) {
            RUNNING => Utc::now().timestamp_millis(),
            held => held,
        }
    }
}

/// A time as `2026-11-22T10:00:00.123Z`.
pub fn iso(milliseconds: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(milliseconds)
        .unwrap_or_default()
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
