//! Reactions to messages.

use serde::{Deserialize, Serialize};

use crate::client::limits;
use crate::client::problem::{Findings, Reason};

/// An emoji as a reaction to a message of the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The `wamid` of the message.
    pub message_id: String,
    /// The emoji. An empty text removes the reaction.
    pub emoji: String,
}

impl Reaction {
    pub(super) fn check(&self, findings: &mut Findings) {
        findings.text("reaction.message_id", &self.message_id, 512);
        if !self.emoji.is_empty() {
            findings.text("reaction.emoji", &self.emoji, limits::EMOJI);
            // A text with letters is not an emoji, however short it is.
            if self
                .emoji
                .chars()
                .any(|character| character.is_ascii_alphabetic())
            {
                findings.add("reaction.emoji", Reason::Unknown);
            }
        }
    }
}
