//! The cron ticker. Like Vercel, it calls the paths in `crons` of `vercel.json` at their times.

mod schedule;

use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::header;
use tokio_util::sync::CancellationToken;

pub use schedule::{Schedule, ScheduleError};

use crate::console;
use crate::vercel_json::CronEntry;

/// The time limit of a call. It is longer than any function may run.
const TIME_LIMIT: Duration = Duration::from_secs(900);
/// The longest sleep before the clock is read again, because the clock may be set and the machine may sleep.
const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(20);

/// A path and the times at which it is called.
#[derive(Debug, Clone)]
pub struct CronJob {
    /// The path.
    pub path: String,
    schedule: Schedule,
}

/// An invalid entry of `crons`.
#[derive(Debug, thiserror::Error)]
#[error("vercel.json: the cron of {path}: {source}")]
pub struct CronJobError {
    path: String,
    source: ScheduleError,
}

impl TryFrom<&CronEntry> for CronJob {
    type Error = CronJobError;

    fn try_from(entry: &CronEntry) -> Result<Self, Self::Error> {
        match Schedule::parse(&entry.schedule) {
            Ok(schedule) => Ok(Self {
                path: entry.path.clone(),
                schedule,
            }),
            Err(source) => Err(CronJobError {
                path: entry.path.clone(),
                source,
            }),
        }
    }
}

/// Starts `call` with a job's path at each of its times, until `stop`. A call that takes longer than its
/// interval overlaps with the next one. Times that pass while the machine sleeps are skipped.
pub async fn tick<N, C, F>(jobs: Vec<CronJob>, now: N, call: C, stop: CancellationToken)
where
    N: Fn() -> DateTime<Utc> + Clone + Send + 'static,
    C: Fn(String) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut tickers = tokio::task::JoinSet::new();
    for job in jobs {
        let (now, call) = (now.clone(), call.clone());
        tickers.spawn(async move {
            while let Some(next) = job.schedule.next_after(now()) {
                while let Ok(remaining) = (next - now()).to_std()
                    && !remaining.is_zero()
                {
                    tokio::time::sleep(remaining.min(CLOCK_CHECK_INTERVAL)).await;
                }
                tokio::spawn(call(job.path.clone()));
            }
        });
    }
    stop.cancelled().await;
}

/// The HTTP client that makes the calls.
#[derive(Clone)]
pub struct Caller {
    client: reqwest::Client,
    app_url: String,
    secret: String,
}

impl Caller {
    /// Builds a caller that calls paths below `app_url` with the cron secret.
    pub fn new(app_url: String, secret: String) -> Result<Self, String> {
        Ok(Self {
            client: crate::http_client::build(TIME_LIMIT)?,
            app_url,
            secret,
        })
    }

    /// Makes one call and logs its result.
    pub async fn call(self, path: String) {
        let request = self
            .client
            .get(format!("{}{path}", self.app_url))
            .bearer_auth(&self.secret)
            .header(header::USER_AGENT, "vercel-cron/1.0");
        match request.send().await {
            Ok(response) => console::line("cron", format_args!("GET {path} {}", response.status().as_u16())),
            Err(error) => console::line("cron", format_args!("GET {path} failed: {}", error.without_url())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::time::Instant;

    use super::*;

    fn job(path: &str, schedule: &str) -> CronJob {
        let entry = CronEntry {
            path: path.to_owned(),
            schedule: schedule.to_owned(),
        };
        CronJob::try_from(&entry).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_run_at_their_times_and_overlap() {
        let (first, started) = (
            "2026-11-22T10:00:30Z".parse::<DateTime<Utc>>().unwrap(),
            Instant::now(),
        );
        let now = move || first + (Instant::now() - started);
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = calls.clone();
        let call = move |path: String| {
            seen.lock().push((path, now().format("%H:%M:%S").to_string()));
            // The call never ends, and the next call must not wait for it.
            std::future::pending()
        };
        let stop = CancellationToken::new();
        let jobs = vec![job("/minute", "* * * * *"), job("/two", "*/2 * * * *")];
        let ticking = tokio::spawn(tick(jobs, now, call, stop.clone()));
        tokio::time::sleep(Duration::from_secs(149)).await;
        stop.cancel();
        ticking.await.unwrap();
        tokio::time::sleep(Duration::from_secs(600)).await;
        let mut calls = calls.lock().clone();
        calls.sort();
        let expected = [
            ("/minute", "10:01:00"),
            ("/minute", "10:02:00"),
            ("/two", "10:02:00"),
        ];
        assert_eq!(calls, expected.map(|(path, at)| (path.to_owned(), at.to_owned())));
    }

    #[test]
    fn an_invalid_schedule_is_reported_with_its_path() {
        let entry = CronEntry {
            path: "/api/cron/x".to_owned(),
            schedule: "often".to_owned(),
        };
        let refusal = CronJob::try_from(&entry).unwrap_err().to_string();
        assert!(
            refusal.contains("/api/cron/x") && refusal.contains("vercel.json"),
            "{refusal}"
        );
    }
}
