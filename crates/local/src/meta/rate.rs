//! Rates with a burst, stored as one number per key (generic cell rate algorithm).

/// A rate: one admission per `interval_ms` on average, up to `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    interval_us: i64,
    burst: i64,
}

/// Meta's limit for one business number and one user.
pub(crate) const PAIR: Rate = Rate {
    interval_us: 6_000_000,
    burst: 45,
};

impl Rate {
    /// A rate per second. The burst is one second's worth. `None` means no limit.
    pub(crate) fn per_second(number: u32) -> Option<Self> {
        let number = i64::from(number);
        (number > 0).then(|| Self {
            interval_us: 1_000_000 / number,
            burst: number,
        })
    }

    /// Admits one message at `now_ms` unless that would exceed the rate. `spent_until` is the state of the
    /// key, 0 at first.
    pub(crate) fn admit(self, spent_until: &mut i64, now_ms: i64) -> bool {
        let now = now_ms.saturating_mul(1_000);
        let after = now.max(*spent_until) + self.interval_us;
        if after - now > self.interval_us * self.burst {
            return false;
        }
        *spent_until = after;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn the_pair_limit_allows_45_at_once_then_one_per_6_seconds() {
        let mut spent = 0;
        assert!((0..45).all(|_| PAIR.admit(&mut spent, NOW)));
        assert!(!PAIR.admit(&mut spent, NOW));
        assert!(!PAIR.admit(&mut spent, NOW + 5_999));
        assert!(PAIR.admit(&mut spent, NOW + 6_000));
        assert!(!PAIR.admit(&mut spent, NOW + 6_000));
    }

    #[test]
    fn a_rate_of_80_per_second_refills_within_a_second() {
        let rate = Rate::per_second(80).unwrap();
        let mut spent = 0;
        assert_eq!((0..100).filter(|_| rate.admit(&mut spent, NOW)).count(), 80);
        assert_eq!((0..100).filter(|_| rate.admit(&mut spent, NOW + 500)).count(), 40);
        assert_eq!(Rate::per_second(0), None);
    }
}
