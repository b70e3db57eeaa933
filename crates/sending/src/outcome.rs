//! What became of a message we asked Meta to send, as the database records it.

use serde::Serialize;
use whatsapp::client::{Accepted, MetaError, SendError};

/// What is recorded of a message that may have been sent, where Meta said nothing.
pub const ANSWER_LOST: &str = "Meta's answer was lost: the message may have been sent";

/// The outcomes of `private.record_outcomes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Meta accepted it.
    Sent,
    /// Meta refused it, or we gave up.
    Failed,
    /// It is to be tried again.
    Retry,
    /// It waits until the number may send again.
    Held,
    /// It may have been sent.
    Unknown,
}

/// An outcome with what Meta said.
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
    /// The error in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_title: Option<String>,
    /// Meta's further explanation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_details: Option<String>,
}

impl Report {
    /// What the answer to a send means for the message. The consequences for its number are the sender's.
    pub fn of(answer: &Result<Accepted, SendError>) -> Self {
        match answer {
            Ok(accepted) => Self {
                whatsapp_message_id: Some(accepted.wamid.clone()),
                ..Self::bare(Outcome::Sent)
            },
            Err(SendError::Rejected { error }) => Self::told(Outcome::Failed, error),
            Err(SendError::Retryable { error, .. }) => Self::told(Outcome::Retry, error),
            Err(SendError::TokenInvalid { error } | SendError::AccountBlocked { error }) => {
                Self::told(Outcome::Held, error)
            }
            Err(SendError::NotSent { .. }) => Self::unreachable(),
            Err(SendError::OutcomeUnknown {
                error: Some(error), ..
            }) => Self::told(Outcome::Unknown, error),
            Err(SendError::OutcomeUnknown { error: None, .. }) => Self {
                error_title: Some(ANSWER_LOST.to_owned()),
                ..Self::bare(Outcome::Unknown)
            },
        }
    }

    /// Meta was not asked, or did not hear.
    pub fn unreachable() -> Self {
        Self {
            error_title: Some("Meta could not be reached".to_owned()),
            ..Self::bare(Outcome::Retry)
        }
    }

    /// The same, as a failure: nobody will try again.
    pub fn given_up(self) -> Self {
        Self {
            outcome: Outcome::Failed,
            ..self
        }
    }

    /// Nothing was tried: it goes back to the queue.
    pub fn held() -> Self {
        Self::bare(Outcome::Held)
    }

    /// We refuse it ourselves.
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
        }
    }

    fn told(outcome: Outcome, error: &MetaError) -> Self {
        Self {
            error_code: (error.code != MetaError::NO_CODE).then_some(error.code),
            // What something on the way answered in Meta's place has no words.
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
