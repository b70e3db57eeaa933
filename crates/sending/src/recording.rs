//! Records outcomes, and repeats that until the database accepts them.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use supabase::DatabaseError;
use tokio::time::{Instant, sleep};

/// How long a sender keeps trying to record what it has sent.
pub const RECORD_GRACE: Duration = Duration::from_secs(20);

/// Records outcomes of `subject`, which the log names, until the database accepts them or `until` comes. Recording the
/// same outcomes again changes nothing. None when they were not recorded: the messages become `unknown` when their
/// lease ends, and Meta's status updates settle them.
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
            Err(error) => log::error!("{subject}: outcomes were not recorded: {}", error.source_text()),
        }
        failures += 1;
        if Instant::now() >= until {
            return None;
        }
        sleep(back_off(failures)).await;
    }
}

/// The wait before the next try after so many failures.
pub fn back_off(failures: u32) -> Duration {
    Duration::from_millis(100 * 2_u64.pow(failures.min(6)))
}
