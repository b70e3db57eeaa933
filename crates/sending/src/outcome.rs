//! Outcomes of sends, as the database records them.

use std::time::Duration;

use serde::Serialize;
use whatsapp::client::{Accepted, MetaError, SendError};

use crate::broken_number::breaking;
use crate::retry_policy::RetryPolicy;

/// The reason recorded for a message that may have been sent, because Meta's answer was lost.
pub const ANSWER_LOST: &str = "Meta's answer was lost: the message may have been sent";

/// The outcomes that `private.record_outcomes` accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Meta accepted it.
    Sent,
    /// Meta refused it, or there are no further attempts.
    Failed,
    /// It will be sent again.
    Retry,
    /// It waits until the number may send again.
    Held,
    /// It may have been sent.
    Unknown,
}

/// An outcome, with Meta's explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The outcome.
    pub outcome: Outcome,
    /// Meta's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whatsapp_message_id: Option<String>,
    /// Meta's error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<i64>,
    /// The error as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_title: Option<String>,
    /// Meta's further explanation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_details: Option<String>,
    /// When a waiting message is due again. None: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_in_ms: Option<u64>,
}

impl Report {
    /// The report on a message after `attempts` sends, from the last answer. If the number is broken, the message
    /// waits, because it is not at fault. If the policy allows no further attempt, the message has failed with Meta's
    /// reason.
    pub fn of(answer: &Result<Accepted, SendError>, attempts: u32, policy: RetryPolicy) -> Self {
        let error = match answer {
            Ok(accepted) => {
                return Self {
                    whatsapp_message_id: Some(accepted.wamid.clone()),
                    ..Self::bare(Outcome::Sent)
                };
            }
            Err(error) => error,
        };
        if let Some(error) = breaking(error) {
            return Self::refused(Outcome::Held, error);
        }
        match error {
            SendError::Retryable { error: refusal, .. } => {
                Self::refused(Outcome::Retry, refusal).again_after(policy.wait_after(error, attempts))
            }
            SendError::NotSent { .. } => Self::unreachable().again_after(policy.wait_after(error, attempts)),
            SendError::Rejected { error }
            | SendError::TokenInvalid { error }
            | SendError::AccountBlocked { error } => Self::refused(Outcome::Failed, error),
            SendError::OutcomeUnknown {
                error: Some(error), ..
            } => Self::refused(Outcome::Unknown, error),
            SendError::OutcomeUnknown { error: None, .. } => Self {
                error_title: Some(ANSWER_LOST.to_owned()),
                ..Self::bare(Outcome::Unknown)
            },
        }
    }

    /// The report on a request that did not reach Meta.
    pub fn unreachable() -> Self {
        Self {
            error_title: Some("Meta could not be reached".to_owned()),
            ..Self::bare(Outcome::Retry)
        }
    }

    /// The same report as a failure, because there is no further attempt.
    pub fn given_up(self) -> Self {
        Self {
            outcome: Outcome::Failed,
            retry_in_ms: None,
            ..self
        }
    }

    /// The same report with a retry after `wait`, or as a failure without one.
    fn again_after(self, wait: Option<Duration>) -> Self {
        match wait {
            Some(wait) => self.due_in(wait),
            None => self.given_up(),
        }
    }

    /// The same report, due again after `wait`.
    pub fn due_in(self, wait: Duration) -> Self {
        Self {
            retry_in_ms: u64::try_from(wait.as_millis()).ok(),
            ..self
        }
    }

    /// The wait before a message with a retry is due.
    pub fn retry_wait(&self) -> Option<Duration> {
        let retry = self.outcome == Outcome::Retry;
        self.retry_in_ms.filter(|_| retry).map(Duration::from_millis)
    }

    /// The report on a message that was not tried and returns to the queue.
    pub fn held() -> Self {
        Self::bare(Outcome::Held)
    }

    /// The report on a message that we refuse ourselves.
    pub fn refused_here(reason: &str) -> Self {
        Self {
            error_title: Some(reason.to_owned()),
            ..Self::bare(Outcome::Failed)
        }
    }

    fn bare(outcome: Outcome) -> Self {
        Self {
            outcome,
            whatsapp_message_id: None,
            error_code: None,
            error_title: None,
            error_details: None,
            retry_in_ms: None,
        }
    }

    fn refused(outcome: Outcome, error: &MetaError) -> Self {
        Self {
            error_code: (error.code != MetaError::NO_CODE).then_some(error.code),
            // The error came from a proxy, not from Meta, and has no message.
            error_title: Some(if error.message.is_empty() {
                error.to_string()
            } else {
                error.message.clone()
            }),
            error_details: error.details.clone(),
            ..Self::bare(outcome)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whatsapp::error_codes::Scope;

    fn refusal(code: i64) -> Box<MetaError> {
        Box::new(MetaError {
            code,
            message: "Refused".to_owned(),
            ..MetaError::default()
        })
    }

    fn after(error: SendError, attempts: u32) -> (Outcome, Option<u64>) {
        let report = Report::of(&Err(error), attempts, RetryPolicy::QUEUED);
        (report.outcome, report.retry_in_ms)
    }

    #[test]
    fn an_unsent_message_is_due_again_until_the_policy_ends_it() {
        let unreachable = || SendError::NotSent {
            reason: "refused".into(),
        };
        assert_eq!(after(unreachable(), 1), (Outcome::Retry, Some(2000)));
        assert_eq!(after(unreachable(), 3), (Outcome::Retry, Some(8000)));
        assert_eq!(after(unreachable(), 4), (Outcome::Failed, None));
        let pair = SendError::Retryable {
            error: refusal(131_056),
            scope: Scope::Pair,
            retry_after: Some(Duration::from_secs(20)),
        };
        assert_eq!(after(pair, 2), (Outcome::Retry, Some(20_000)));
    }

    #[test]
    fn a_message_of_a_broken_number_is_held_and_one_that_meta_refuses_has_failed() {
        let rejected = |code| SendError::Rejected { error: refusal(code) };
        assert_eq!(after(rejected(133_010), 1), (Outcome::Held, None));
        assert_eq!(after(rejected(131_026), 1), (Outcome::Failed, None));
        let blocked = SendError::AccountBlocked { error: refusal(368) };
        assert_eq!(after(blocked, 1), (Outcome::Held, None));
    }

    #[test]
    fn a_lost_answer_is_unknown_and_never_due_again() {
        let lost = SendError::OutcomeUnknown {
            reason: "timed out".into(),
            error: None,
        };
        let report = Report::of(&Err(lost), 1, RetryPolicy::QUEUED);
        assert_eq!(
            (report.outcome, report.retry_wait(), report.error_title.as_deref()),
            (Outcome::Unknown, None, Some(ANSWER_LOST))
        );
    }
}
