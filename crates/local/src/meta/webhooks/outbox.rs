//! The webhook queue. Each update waits for its time, due statuses share a POST, and a POST that is not
//! answered with 200 is redelivered. Nothing is lost while the simulator runs.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::payload::{self, StatusUpdate};
use super::poster::Poster;
use crate::clock::Clock;
use crate::meta::settings::Settings;

/// A POST that is due, for the first time or again.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) url: String,
    pub(crate) body: Bytes,
    pub(crate) updates: usize,
    pub(crate) attempts: usize,
}

/// An update for the application.
#[derive(Debug)]
pub(crate) enum Update {
    Status(StatusUpdate),
    /// An event of a WABA. It has a POST of its own.
    Account {
        business_account_id: String,
        field: &'static str,
        value: Value,
    },
    Delivery(Delivery),
}

impl Update {
    fn count(&self) -> usize {
        match self {
            Self::Status(_) | Self::Account { .. } => 1,
            Self::Delivery(delivery) => delivery.updates,
        }
    }
}

#[derive(Debug)]
enum Command {
    Schedule(Instant, Update),
    Clear(oneshot::Sender<()>),
}

/// The numbers of updates by their state.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Updates without a 200 answer, including those that are not due yet.
    pub(crate) pending: AtomicUsize,
    /// Updates with a 200 answer.
    pub(crate) sent: AtomicUsize,
    /// POSTs that were not answered with 200.
    pub(crate) failed: AtomicUsize,
}

/// The handle with which the simulator uses the queue.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    commands: mpsc::UnboundedSender<Command>,
    pub(crate) counts: Arc<Counts>,
}

impl Outbox {
    /// Starts the queue, which stops with `stop`.
    pub(crate) fn start(
        poster: Arc<Poster>,
        settings: watch::Receiver<Arc<Settings>>,
        clock: Clock,
        stop: CancellationToken,
    ) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let (finished_sender, finished) = mpsc::unbounded_channel();
        let counts = Arc::new(Counts::default());
        let queue = Queue {
            poster,
            clock,
            counts: counts.clone(),
            waiting: BinaryHeap::new(),
            ready: Ready::default(),
            order: 0,
            generation: 0,
            posts_in_progress: 0,
            updates_in_progress: 0,
            finished: finished_sender,
        };
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = queue.run(received, finished, settings) => {}
            }
        });
        Self { commands, counts }
    }

    /// Schedules an update for `due`. It is posted then, or as soon after as possible.
    pub(crate) fn schedule(&self, due: Instant, update: Update) {
        self.counts.pending.fetch_add(update.count(), Atomic::AcqRel);
        // Without a receiver, the simulator is stopping.
        let _ = self.commands.send(Command::Schedule(due, update));
    }

    /// Removes all waiting updates. POSTs in progress finish and are not repeated.
    pub(crate) async fn clear(&self) {
        let (done, cleared) = oneshot::channel();
        if self.commands.send(Command::Clear(done)).is_ok() {
            let _ = cleared.await;
        }
        self.counts.sent.store(0, Atomic::Release);
        self.counts.failed.store(0, Atomic::Release);
    }

    pub(crate) fn pending(&self) -> usize {
        self.counts.pending.load(Atomic::Acquire)
    }
}

struct Waiting {
    due: Instant,
    order: u64,
    update: Update,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap returns its greatest item first, which must be the one that is due earliest.
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Waiting {}

/// Due updates, with statuses grouped by number.
#[derive(Default)]
struct Ready {
    alone: VecDeque<Update>,
    statuses: HashMap<String, VecDeque<StatusUpdate>>,
    turns: VecDeque<String>,
}

impl Ready {
    fn push(&mut self, update: Update) {
        let Update::Status(update) = update else {
            self.alone.push_back(update);
            return;
        };
        let number = &update.number.config.phone_number_id;
        if let Some(queue) = self.statuses.get_mut(number) {
            queue.push_back(update);
        } else {
            self.turns.push_back(number.clone());
            self.statuses.insert(number.clone(), VecDeque::from([update]));
        }
    }

    /// The next statuses of the number that is next in turn.
    fn statuses(&mut self, limit: usize) -> Option<Vec<StatusUpdate>> {
        let number = self.turns.pop_front()?;
        let queue = self.statuses.get_mut(&number)?;
        let batch: Vec<_> = queue.drain(..queue.len().min(limit)).collect();
        if queue.is_empty() {
            self.statuses.remove(&number);
        } else {
            self.turns.push_back(number);
        }
        Some(batch)
    }

    fn count(&self) -> usize {
        self.alone.iter().map(Update::count).sum::<usize>()
            + self.statuses.values().map(VecDeque::len).sum::<usize>()
    }
}

struct Finished {
    generation: u64,
    updates: usize,
    /// The delivery, if it must be repeated.
    failed: Option<Delivery>,
}

struct Queue {
    poster: Arc<Poster>,
    clock: Clock,
    counts: Arc<Counts>,
    waiting: BinaryHeap<Waiting>,
    ready: Ready,
    order: u64,
    generation: u64,
    posts_in_progress: usize,
    /// The updates in the POSTs of this generation.
    updates_in_progress: usize,
    finished: mpsc::UnboundedSender<Finished>,
}

impl Queue {
    async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut finished: mpsc::UnboundedReceiver<Finished>,
        mut settings: watch::Receiver<Arc<Settings>>,
    ) {
        let mut received = Vec::with_capacity(1_024);
        loop {
            let current = settings.borrow_and_update().clone();
            self.move_due();
            if current.deliver_webhooks {
                self.post_ready(&current);
            }
            let next_due = self.waiting.peek().map(|first| first.due);
            tokio::select! {
                count = commands.recv_many(&mut received, 1_024) => {
                    if count == 0 {
                        return;
                    }
                    received.drain(..).for_each(|command| self.handle(command));
                }
                Some(done) = finished.recv() => self.finish(done, &current),
                () = tokio::time::sleep_until(next_due.unwrap_or_else(Instant::now)), if next_due.is_some() => {}
                changed = settings.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Schedule(due, update) => self.wait(due, update),
            Command::Clear(done) => {
                let waiting: usize = self.waiting.drain().map(|waiting| waiting.update.count()).sum();
                let ready = std::mem::take(&mut self.ready).count();
                let in_progress = std::mem::take(&mut self.updates_in_progress);
                self.counts
                    .pending
                    .fetch_sub(waiting + ready + in_progress, Atomic::AcqRel);
                self.generation += 1;
                let _ = done.send(());
            }
        }
    }

    fn wait(&mut self, due: Instant, update: Update) {
        self.order += 1;
        self.waiting.push(Waiting {
            due,
            order: self.order,
            update,
        });
    }

    fn move_due(&mut self) {
        let now = Instant::now();
        while self.waiting.peek().is_some_and(|first| first.due <= now) {
            if let Some(first) = self.waiting.pop() {
                self.ready.push(first.update);
            }
        }
    }

    fn post_ready(&mut self, settings: &Settings) {
        while self.posts_in_progress < settings.webhook_concurrency {
            let delivery = if let Some(update) = self.ready.alone.pop_front() {
                self.delivery_of(update)
            } else if let Some(batch) = self.ready.statuses(settings.webhook_batch) {
                self.delivery_of_statuses(&batch)
            } else {
                return;
            };
            if let Some(delivery) = delivery {
                self.post(delivery);
            }
        }
    }

    fn delivery_of(&self, update: Update) -> Option<Delivery> {
        match update {
            Update::Delivery(delivery) => Some(delivery),
            Update::Status(status) => self.delivery_of_statuses(&[status]),
            Update::Account {
                business_account_id,
                field,
                value,
            } => {
                let url = self.poster.account_url(&business_account_id);
                let body = payload::account_event(&business_account_id, field, &value, self.clock.now_ms());
                self.addressed(url, body, 1)
            }
        }
    }

    fn delivery_of_statuses(&self, updates: &[StatusUpdate]) -> Option<Delivery> {
        let number = &updates.first()?.number;
        let now = self.clock.now_ms();
        for update in updates {
            update.entry.record(update.status, now);
        }
        let url = self.poster.message_url(&number.config.business_account_id);
        self.addressed(url, payload::statuses(number, updates, now), updates.len())
    }

    fn addressed(&self, url: Option<String>, body: Vec<u8>, updates: usize) -> Option<Delivery> {
        if url.is_none() {
            // The app is not subscribed, so Meta would send nothing.
            self.counts.pending.fetch_sub(updates, Atomic::AcqRel);
        }
        Some(Delivery {
            url: url?,
            body: Bytes::from(body),
            updates,
            attempts: 0,
        })
    }

    fn post(&mut self, mut delivery: Delivery) {
        self.posts_in_progress += 1;
        self.updates_in_progress += delivery.updates;
        let (poster, finished, generation) = (self.poster.clone(), self.finished.clone(), self.generation);
        tokio::spawn(async move {
            let answered = poster.post(&delivery.url, delivery.body.clone()).await;
            let updates = delivery.updates;
            delivery.attempts += 1;
            let failed = (!answered.is_ok_and(|answered| answered.status == 200)).then_some(delivery);
            let _ = finished.send(Finished {
                generation,
                updates,
                failed,
            });
        });
    }

    fn finish(&mut self, done: Finished, settings: &Settings) {
        self.posts_in_progress -= 1;
        if done.failed.is_some() {
            self.counts.failed.fetch_add(1, Atomic::AcqRel);
        }
        if done.generation != self.generation {
            return;
        }
        self.updates_in_progress -= done.updates;
        let Some(delivery) = done.failed else {
            self.counts.sent.fetch_add(done.updates, Atomic::AcqRel);
            self.counts.pending.fetch_sub(done.updates, Atomic::AcqRel);
            return;
        };
        self.wait(
            redelivery_at(&settings.redelivery_ms, delivery.attempts),
            Update::Delivery(delivery),
        );
    }
}

/// The time of the next attempt for a delivery that failed `attempts` times.
pub(crate) fn redelivery_at(schedule: &[u64], attempts: usize) -> Instant {
    let position = attempts.saturating_sub(1).min(schedule.len().saturating_sub(1));
    Instant::now() + Duration::from_millis(schedule.get(position).copied().unwrap_or(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn redelivery_delays_grow_and_the_last_one_repeats() {
        let wait = |attempts| (redelivery_at(&[10, 200], attempts) - Instant::now()).as_millis();
        assert_eq!([wait(1), wait(2), wait(9)], [10, 200, 200]);
    }
}
