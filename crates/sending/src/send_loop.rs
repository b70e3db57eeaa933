//! The loop of a sender with a queue: it claims, sends and records messages.
//!
//! Three loops run at the same time: one claims messages into a short queue, one sends them, one records the outcomes
//! in batches. Every claimed message is recorded. If the process dies, the lease of its claims ends and their messages
//! become `unknown`. The loop never decides to send a message again: only the database hands a message out again.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// A queue of messages.
pub trait SendQueue: Sync {
    /// A claimed message.
    type Job: Send;
    /// The outcome of a message, to be recorded.
    type Outcome: Send + Sync;

    /// Claims the next messages, and may wait for some. None ends the run.
    fn claim(&self) -> impl Future<Output = Option<Vec<Self::Job>>> + Send;

    /// Waits until the next message may be sent. The loop drops the future and calls again when something else happens
    /// first.
    fn wait_for_turn(&self) -> impl Future<Output = ()> + Send;

    /// Begins to send a message. Its turn is used up when this returns.
    fn send(&self, job: Self::Job) -> impl Future<Output = Self::Outcome> + Send;

    /// Records the outcomes of messages.
    fn record(&self, outcomes: Vec<Self::Outcome>) -> impl Future<Output = ()> + Send;
}

/// The most that one run holds at a time.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// The most claimed messages that wait for their turn.
    pub waiting: usize,
    /// The most sends at the same time.
    pub at_once: usize,
    /// The most outcomes of one record.
    pub batch: usize,
    /// Outcomes are recorded together if they arrive within this time.
    pub record_within: Duration,
}

/// Works on a queue until it has no more claims and every claimed message is recorded.
pub async fn claim_send_record<Q: SendQueue>(queue: &Q, capacity: Capacity) {
    let (jobs, waiting) = mpsc::channel(capacity.waiting.max(1));
    let (sent, outcomes) = mpsc::channel(capacity.batch.max(1));
    tokio::join!(
        claim_all(queue, jobs),
        send_all(queue, capacity.at_once, waiting, sent),
        record_all(queue, capacity, outcomes)
    );
}

async fn claim_all<Q: SendQueue>(queue: &Q, jobs: mpsc::Sender<Q::Job>) {
    while let Some(claimed) = queue.claim().await {
        for job in claimed {
            if jobs.send(job).await.is_err() {
                return;
            }
        }
    }
}

async fn send_all<Q: SendQueue>(
    queue: &Q,
    at_once: usize,
    mut waiting: mpsc::Receiver<Q::Job>,
    sent: mpsc::Sender<Q::Outcome>,
) {
    let mut sends = FuturesUnordered::new();
    let mut next: Option<Q::Job> = None;
    let mut more = true;

    while more || next.is_some() || !sends.is_empty() {
        let free = sends.len() < at_once;
        tokio::select! {
            Some(outcome) = sends.next() => {
                if sent.send(outcome).await.is_err() {
                    return;
                }
            }
            job = waiting.recv(), if more && next.is_none() => {
                more = job.is_some();
                next = job;
            }
            () = queue.wait_for_turn(), if free && next.is_some() => {
                if let Some(job) = next.take() {
                    sends.push(queue.send(job));
                }
            }
        }
    }
}

async fn record_all<Q: SendQueue>(queue: &Q, capacity: Capacity, mut outcomes: mpsc::Receiver<Q::Outcome>) {
    while let Some(first) = outcomes.recv().await {
        let mut batch = vec![first];
        let until = Instant::now() + capacity.record_within;
        while batch.len() < capacity.batch {
            match timeout_at(until, outcomes.recv()).await {
                Ok(Some(outcome)) => batch.push(outcome),
                Ok(None) | Err(_) => break,
            }
        }
        queue.record(batch).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::sleep;

    use super::*;

    /// A queue of numbers; a send takes a second.
    #[derive(Default)]
    struct Numbers {
        left: Mutex<Vec<Vec<u32>>>,
        under_way: Mutex<(usize, usize)>,
        recorded: Mutex<Vec<Vec<u32>>>,
    }

    impl SendQueue for Numbers {
        type Job = u32;
        type Outcome = u32;

        async fn claim(&self) -> Option<Vec<u32>> {
            self.left.lock().unwrap().pop()
        }

        async fn wait_for_turn(&self) {}

        async fn send(&self, job: u32) -> u32 {
            {
                let (now, most) = &mut *self.under_way.lock().unwrap();
                *now += 1;
                *most = (*most).max(*now);
            }
            sleep(Duration::from_secs(1)).await;
            self.under_way.lock().unwrap().0 -= 1;
            job
        }

        async fn record(&self, outcomes: Vec<u32>) {
            self.recorded.lock().unwrap().push(outcomes);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_claimed_message_is_recorded_within_the_capacity() {
        let queue = Numbers {
            left: Mutex::new(vec![(20..27).collect(), Vec::new(), (0..20).collect()]),
            ..Numbers::default()
        };
        let capacity = Capacity {
            waiting: 3,
            at_once: 5,
            batch: 4,
            record_within: Duration::from_millis(10),
        };
        let start = Instant::now();
        claim_send_record(&queue, capacity).await;
        let batches = queue.recorded.into_inner().unwrap();
        let mut recorded = batches.concat();
        recorded.sort_unstable();
        assert_eq!(recorded, (0..27).collect::<Vec<u32>>());
        assert!(batches.iter().all(|batch| batch.len() <= 4), "{batches:?}");
        assert_eq!(*queue.under_way.lock().unwrap(), (0, 5));
        assert_eq!(start.elapsed().as_secs(), 6, "27 sends, five at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_without_claims_ends() {
        claim_send_record(
            &Numbers::default(),
            Capacity {
                waiting: 0,
                at_once: 1,
                batch: 1,
                record_within: Duration::ZERO,
            },
        )
        .await;
    }
}
