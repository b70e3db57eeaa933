//! The retry policy: when a message that Meta did not accept is sent again.
//!
//! One policy serves chat replies, automatic messages and campaigns. Meta's documentation of its error codes says which
//! refusals are temporary (`whatsapp::error_codes` lists them); all others are final. Meta limits a business to one
//! message in 6 seconds to the same customer, with bursts of 45, and asks for a back-off of 4^n seconds after the limit
//! is exceeded (131056). It gives no figure for the other codes: 2^n seconds are our choice. An answer may carry
//! `Retry-After`: the longer of the two waits counts.
//!
//! A refusal may also concern the number or the campaign. Other code handles that: 130429 slows the number down
//! ([`asked_pause`]), 131048 and a paused template pause the campaign, and a refused token or a blocked account (190,
//! 368 and similar) mark the number as broken.

use std::time::Duration;

use whatsapp::client::SendError;
use whatsapp::error_codes::Scope;

/// The number of attempts after the first.
const RETRIES: u32 = 3;
/// The wait after the first attempt, and the factor between one wait and the next.
const BASE_SECONDS: u64 = 2;
/// The same for the limit between one number and one customer.
const PAIR_BASE_SECONDS: u64 = 4;
/// The longest `Retry-After` that is followed: a wrong header must not delay a message for ever.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// The policy, with the longest wait that a caller can make.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    patience: Duration,
}

impl RetryPolicy {
    /// The policy for messages in a queue: they can wait as long as Meta asks.
    pub const QUEUED: Self = Self {
        patience: Duration::MAX,
    };

    /// The policy for a message in the memory of a process: it is given up if its wait would exceed `patience`.
    pub const fn within(patience: Duration) -> Self {
        Self { patience }
    }

    /// The wait before the next attempt after `attempts` of them. None when no attempt follows.
    pub fn wait_after(self, error: &SendError, attempts: u32) -> Option<Duration> {
        let wait = match error {
            SendError::Retryable {
                scope, retry_after, ..
            } => {
                let base = match scope {
                    Scope::Pair => PAIR_BASE_SECONDS,
                    _ => BASE_SECONDS,
                };
                wait(base, attempts)?.max(bounded(*retry_after))
            }
            SendError::NotSent { .. } => wait(BASE_SECONDS, attempts)?,
            SendError::Rejected { .. }
            | SendError::OutcomeUnknown { .. }
            | SendError::TokenInvalid { .. }
            | SendError::AccountBlocked { .. } => return None,
        };
        (wait <= self.patience).then_some(wait)
    }

    /// The wait before the state of an open breaker is read again, after `looks` reads.
    pub fn wait_for_breaker(self, looks: u32) -> Option<Duration> {
        wait(BASE_SECONDS, looks).filter(|wait| *wait <= self.patience)
    }
}

/// How long the whole number should pause. None when only this message has to wait.
pub fn asked_pause(error: &SendError) -> Option<Duration> {
    match error {
        SendError::Retryable {
            scope: Scope::Number | Scope::App | Scope::Account,
            retry_after,
            ..
        } => Some(bounded(*retry_after)),
        _ => None,
    }
}

fn bounded(retry_after: Option<Duration>) -> Duration {
    retry_after.unwrap_or_default().min(LONGEST_ASKED)
}

/// Exponential back-off: `base` to the power of the number of attempts, in seconds.
fn wait(base: u64, attempts: u32) -> Option<Duration> {
    (1..=RETRIES)
        .contains(&attempts)
        .then(|| Duration::from_secs(base.pow(attempts)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use whatsapp::client::MetaError;

    use super::*;

    fn refused(scope: Scope, retry_after: Option<u64>) -> SendError {
        SendError::Retryable {
            error: Box::new(MetaError::default()),
            scope,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn waits(policy: RetryPolicy, error: &SendError) -> [Option<u64>; 4] {
        [1, 2, 3, 4].map(|attempts| policy.wait_after(error, attempts).map(|wait| wait.as_secs()))
    }

    #[test]
    fn three_retries_after_two_four_and_eight_seconds() {
        let expected = [Some(2), Some(4), Some(8), None];
        for scope in [Scope::Number, Scope::App, Scope::Account, Scope::None] {
            assert_eq!(waits(RetryPolicy::QUEUED, &refused(scope, None)), expected);
        }
        let unreachable = SendError::NotSent {
            reason: "refused".into(),
        };
        assert_eq!(waits(RetryPolicy::QUEUED, &unreachable), expected);
    }

    #[test]
    fn the_pair_limit_waits_four_times_longer_each_time() {
        let error = refused(Scope::Pair, None);
        assert_eq!(
            waits(RetryPolicy::QUEUED, &error),
            [Some(4), Some(16), Some(64), None]
        );
    }

    #[test]
    fn retry_after_lengthens_a_wait_and_never_shortens_it() {
        for (scope, asked, expected) in [
            (Scope::Number, 5, [Some(5), Some(5), Some(8), None]),
            (Scope::Pair, 5, [Some(5), Some(16), Some(64), None]),
            (Scope::None, 60, [Some(60), Some(60), Some(60), None]),
            // a year
            (
                Scope::None,
                31_536_000,
                [Some(3600), Some(3600), Some(3600), None],
            ),
        ] {
            assert_eq!(
                waits(RetryPolicy::QUEUED, &refused(scope, Some(asked))),
                expected,
                "{scope:?} {asked}"
            );
        }
    }

    #[test]
    fn a_caller_that_cannot_wait_gives_up() {
        let policy = RetryPolicy::within(Duration::from_secs(16));
        assert_eq!(
            waits(policy, &refused(Scope::Pair, None)),
            [Some(4), Some(16), None, None]
        );
        assert_eq!(waits(policy, &refused(Scope::Number, Some(60))), [None; 4]);
        assert_eq!(
            [1, 2, 3, 4].map(|looks| policy.wait_for_breaker(looks).map(|wait| wait.as_secs())),
            [Some(2), Some(4), Some(8), None]
        );
    }

    #[test]
    fn final_and_unknown_outcomes_are_never_sent_again() {
        let error = || Box::new(MetaError::default());
        for error in [
            SendError::Rejected { error: error() },
            SendError::TokenInvalid { error: error() },
            SendError::AccountBlocked { error: error() },
            SendError::OutcomeUnknown {
                reason: "timed out".into(),
                error: Some(error()),
            },
        ] {
            assert_eq!(waits(RetryPolicy::QUEUED, &error), [None; 4], "{error}");
        }
    }

    #[test]
    fn a_number_pauses_where_the_refusal_is_about_more_than_the_message() {
        let pause = |scope, asked| asked_pause(&refused(scope, asked)).map(|pause| pause.as_secs());
        assert_eq!(pause(Scope::Number, None), Some(0));
        assert_eq!(pause(Scope::App, Some(7)), Some(7));
        assert_eq!(pause(Scope::Account, Some(1_000_000)), Some(3600));
        assert_eq!(pause(Scope::Pair, Some(7)), None);
        assert_eq!(pause(Scope::None, Some(7)), None);
    }

    fn scopes() -> impl Strategy<Value = Scope> {
        prop_oneof![
            Just(Scope::Number),
            Just(Scope::Pair),
            Just(Scope::App),
            Just(Scope::Account),
            Just(Scope::None),
        ]
    }

    proptest! {
        #[test]
        fn waits_hold_for_any_answer(
            scope in scopes(), asked in proptest::option::of(any::<u64>()), attempts in any::<u32>(), patience in 0..10_000u64,
        ) {
            let error = refused(scope, asked);
            let patience = Duration::from_secs(patience);
            let wait = RetryPolicy::QUEUED.wait_after(&error, attempts);
            prop_assert_eq!(wait.is_some(), (1..=RETRIES).contains(&attempts));
            if let Some(wait) = wait {
                prop_assert!(wait >= Duration::from_secs(asked.unwrap_or(0)).min(LONGEST_ASKED));
                prop_assert!(wait >= Duration::from_secs(2) && wait <= LONGEST_ASKED);
                let next = RetryPolicy::QUEUED.wait_after(&error, attempts + 1);
                prop_assert!(next.is_none_or(|next| next >= wait), "waits do not shrink");
            }
            prop_assert_eq!(
                RetryPolicy::within(patience).wait_after(&error, attempts),
                wait.filter(|wait| *wait <= patience)
            );
        }
    }
}
