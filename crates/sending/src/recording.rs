//! Recording what became of messages, until the database takes it.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use supabase::DatabaseError;
use tokio::time::{Instant, sleep};

/// How long a sender goes on recording what it has sent when the database does not take it.
pub const RECORD_GRACE: Duration = Duration::from_secs(20);

/// Records outcomes of `subject`, for the log, until the database takes them or `until` comes. Recording again what was
/// recorded changes nothing. None when it was not recorded: the message becomes `unknown` when its lease ends, and a
/// status of Meta's settles it.
pub async fn record_until_taken<T, F>(
    subject: &(dyn Display + Sync),
    until: Instant,
    record: impl Fn() -> F,
) -> Option<T>
where
    F: Future<Output = Result<T, DatabaseError>>,
{
    let mut failures = 0;
    loop {
        match record().await {
            Ok(recorded) => return Some(recorded),
            Err(error) => log::error!("{subject}: outcomes are not recorded: {}", error.source_text()),
        }
        failures += 1;
        if Instant::now() >= until {
            return None;
        }
        sleep(back_off(failures)).await;
    }
}

/// The wait before the database is asked again, after so many failures.
pub fn back_off(failures: u32) -> Duration {
    Duration::from_millis(100 * 2_u64.pow(failures.min(6)))
}
