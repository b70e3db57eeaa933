//! The pace of a number: how many messages a second it sends.

use std::time::Duration;

use tokio::time::Instant;

/// How far sends may run ahead of the exact pace, which makes up for the duration of a claim.
const SLACK: Duration = Duration::from_millis(200);
/// The longest gap between sends of a throttled number.
const SLOWEST: Duration = Duration::from_secs(1);
/// The shortest pause of a throttled number.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause of a throttled number, even if Meta asks for more, because the number's lease must outlast it. The
/// refused message waits as long as Meta asks, and the next message shows whether the number may continue.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Allows one send at a time, so many a second. Over a period longer than the slack it is never faster.
pub(super) struct Pace {
    interval: Duration,
    /// When the next send is due at the exact pace.
    next: Instant,
}

impl Pace {
    /// A pace of `per_second` messages.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            next: Instant::now(),
        }
    }

    /// When the next send is allowed.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Counts a send that happens now.
    pub(super) fn count(&mut self) {
        let earliest = Instant::now().checked_sub(SLACK).unwrap_or(self.next);
        self.next = self.next.max(earliest) + self.interval;
    }

    /// Slows down after a refusal of Meta: pauses for a second, or as long as Meta asks, and then continues at half the
    /// pace.
    pub(super) fn slow_down(&mut self, asked: Duration) {
        self.interval = (self.interval * 2).min(SLOWEST).max(self.interval);
        let pause = asked.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.next = self.next.max(Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep_until;

    use super::*;

    async fn send(pace: &mut Pace) {
        sleep_until(pace.next()).await;
        pace.count();
    }

    async fn seconds_for(pace: &mut Pace, sends: u32) -> f64 {
        let start = Instant::now();
        for _ in 0..sends {
            send(pace).await;
        }
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_kept() {
        let seconds = seconds_for(&mut Pace::new(10), 301).await;
        assert!((29.8..=30.1).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_made_up_for_beyond_the_slack() {
        let mut pace = Pace::new(10);
        send(&mut pace).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        let seconds = seconds_for(&mut pace, 101).await;
        assert!((9.7..=10.1).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn slowing_down_halves_the_pace() {
        let mut pace = Pace::new(10);
        send(&mut pace).await;
        pace.slow_down(Duration::ZERO);
        let seconds = seconds_for(&mut pace, 11).await;
        assert!((2.8..=3.2).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_as_long_as_meta_asks_and_shorter_than_the_lease() {
        for (asked, least, most) in [(5, 4.9, 5.3), (600, 9.9, 10.3)] {
            let mut pace = Pace::new(10);
            send(&mut pace).await;
            pace.slow_down(Duration::from_secs(asked));
            let seconds = seconds_for(&mut pace, 1).await;
            assert!((least..=most).contains(&seconds), "{seconds}");
        }
        assert!(LONGEST_PAUSE < crate::sender_queue::LEASE);
    }
}
