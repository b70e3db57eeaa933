//! Emojis on messages.

use serde::{Deserialize, Serialize};

use crate::client::limits;
use crate::client::problem::{Findings, Reason};

/// An emoji on a message of the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The `wamid` of the message.
    pub message_id: String,
    /// The emoji; empty takes the reaction back.
    pub emoji: String,
}

impl Reaction {
    pub(super) fn check(&self, findings: &mut Findings) {
        findings.text("reaction.message_id", &self.message_id, 512);
        if !self.emoji.is_empty() {
            findings.text("reaction.emoji", &self.emoji, limits::EMOJI);
            // A word is no emoji, whatever its length.
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
