//! Automatic messages as the database hands them out, and their outcomes as it records them.

use crm_core::app::App;
use sending::outcome::{Outcome, Report};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use supabase::DatabaseError;
use uuid::Uuid;
use whatsapp::client::{Content, OutboundMessage, Recipient};

/// The wait before a held message is tried again. A message is held while its number cannot send.
const HELD_FOR: Duration = Duration::from_secs(30);

/// Messages that were claimed together, at most one of each conversation.
#[derive(Deserialize)]
pub(crate) struct Claim {
    pub(crate) claim_id: Uuid,
    pub(crate) messages: Vec<QueuedMessage>,
}

/// A message to send.
#[derive(Deserialize)]
pub(crate) struct QueuedMessage {
    message_id: Uuid,
    pub(crate) session_id: Uuid,
    pub(crate) phone_number_id: String,
    wa_id: Option<String>,
    user_id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    payload: Value,
    context_message_id: Option<String>,
    /// The number of attempts, including the current one.
    pub(crate) attempts: u32,
}

/// An outcome as `record_automatic_messages` expects it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MessageOutcome {
    message_id: Uuid,
    pub(crate) claim_id: Uuid,
    #[serde(flatten)]
    pub(crate) report: Report,
}

/// Claims messages that are due.
pub(crate) async fn claim(app: &App, batch: u32, lease: Duration) -> Result<Claim, DatabaseError> {
    let arguments = json!({ "batch_size": batch, "lease_seconds": lease.as_secs() });
    let database = app.supabase().as_service();
    database.rpc("claim_automatic_messages", &arguments).await
}

/// Records outcomes. Safe to repeat.
pub(crate) async fn record(app: &App, outcomes: &[MessageOutcome]) -> Result<(), DatabaseError> {
    let arguments = json!({ "results": outcomes });
    let database = app.supabase().as_service();
    database.rpc("record_automatic_messages", &arguments).await
}

impl QueuedMessage {
    /// The message as Meta expects it, or a report if the contact has no address.
    pub(crate) fn outbound(&self) -> Result<OutboundMessage, Report> {
        let recipient = match (&self.wa_id, &self.user_id) {
            (Some(number), _) => Recipient::Phone(number.clone()),
            (None, Some(id)) => Recipient::UserId(id.clone()),
            (None, None) => return Err(Report::refused_here("The contact has no address")),
        };
        let content = Content::Prepared {
            kind: self.kind.clone(),
            body: self.payload.get(&self.kind).cloned().unwrap_or_default(),
        };
        Ok(OutboundMessage {
            reply_to: self.context_message_id.clone(),
            callback_data: Some(self.message_id.to_string()),
            ..OutboundMessage::new(recipient, content)
        })
    }

    /// The outcome to record. A held message is due again after [`HELD_FOR`].
    pub(crate) fn outcome(&self, claim_id: Uuid, report: Report) -> MessageOutcome {
        let report = if report.outcome == Outcome::Held {
            report.due_in(HELD_FOR)
        } else {
            report
        };
        MessageOutcome {
            message_id: self.message_id,
            claim_id,
            report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_message_waits_however_often() {
        let message: QueuedMessage = serde_json::from_value(json!({
            "message_id": Uuid::nil(), "session_id": Uuid::nil(), "phone_number_id": "1", "wa_id": null,
            "user_id": null, "type": "text", "payload": {}, "context_message_id": null, "attempts": 40,
        }))
        .unwrap();
        let outcome = message.outcome(Uuid::nil(), Report::held());
        assert_eq!(
            serde_json::to_value(&outcome).unwrap(),
            json!({
                "message_id": Uuid::nil(), "claim_id": Uuid::nil(), "outcome": "held", "retry_in_ms": 30_000,
            })
        );
        assert_eq!(message.outbound().unwrap_err().outcome, Outcome::Failed);
    }
}
