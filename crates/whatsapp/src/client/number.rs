//! One of our numbers.

use serde::Deserialize;
use serde_json::{Value, json};

use super::message::OutboundMessage;
use super::number_health::{self, NumberHealth};
use super::send_error::SendError;
use super::{GraphClient, SystemToken};

/// A client for one of our numbers, with a token that may use it.
#[derive(Debug, Clone, Copy)]
pub struct NumberClient<'a> {
    graph: &'a GraphClient,
    phone_number_id: &'a str,
    token: &'a SystemToken,
}

/// Meta's acceptance of a message. A webhook reports later whether the message arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Meta's id of the message. It contains a phone number, so it is personal data.
    pub wamid: String,
    /// The recipient's WhatsApp id. It may differ from the number that was dialled.
    pub wa_id: Option<String>,
    /// The recipient's business-scoped user id.
    pub user_id: Option<String>,
    /// `accepted`, `held_for_quality_assessment` or `paused`.
    pub message_status: Option<String>,
}

impl<'a> NumberClient<'a> {
    pub(super) fn new(graph: &'a GraphClient, phone_number_id: &'a str, token: &'a SystemToken) -> Self {
        Self {
            graph,
            phone_number_id,
            token,
        }
    }

    /// Sends a message, once and without retries.
    pub async fn send(&self, message: &OutboundMessage) -> Result<Accepted, SendError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            contacts: Vec<Contact>,
            messages: Vec<Sent>,
        }
        #[derive(Deserialize)]
        struct Contact {
            wa_id: Option<String>,
            user_id: Option<String>,
        }
        #[derive(Deserialize)]
        struct Sent {
            id: String,
            message_status: Option<String>,
        }

        let url = self.graph.url(&[self.phone_number_id, "messages"]);
        let body = self
            .graph
            .call(self.token, self.graph.http.post(url).json(message))
            .await?;
        let unreadable = || SendError::unknown("the answer to a sent message was not understood");
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| unreadable())?;
        let sent = answer
            .messages
            .into_iter()
            .next()
            .filter(|sent| !sent.id.is_empty())
            .ok_or_else(unreadable)?;
        let contact = answer.contacts.into_iter().next();
        let (wa_id, user_id) = contact
            .map(|contact| (contact.wa_id, contact.user_id))
            .unwrap_or_default();
        Ok(Accepted {
            wamid: sent.id,
            wa_id,
            user_id,
            message_status: sent.message_status,
        })
    }

    /// Marks a message as read, which its sender sees. Safe to repeat.
    pub async fn mark_read(&self, wamid: &str) -> Result<(), SendError> {
        self.post_to(
            "messages",
            &json!({"messaging_product": "whatsapp", "status": "read", "message_id": wamid}),
        )
        .await
    }

    /// Shows a typing indicator to the sender of a message, for at most 25 seconds. Also marks the message as
    /// read.
    pub async fn show_typing(&self, wamid: &str) -> Result<(), SendError> {
        let body = json!({"messaging_product": "whatsapp", "status": "read", "message_id": wamid,
            "typing_indicator": {"type": "text"}});
        self.post_to("messages", &body).await
    }

    /// Fetches Meta's description of the number. Safe to repeat. This is also the cheapest way to test a
    /// token.
    pub async fn health(&self) -> Result<NumberHealth, SendError> {
        let mut url = self.graph.url(&[self.phone_number_id]);
        url.query_pairs_mut().append_pair("fields", number_health::FIELDS);
        self.graph.read(self.token, self.graph.http.get(url)).await
    }

    /// Registers the number for the Cloud API with its two-step verification PIN. Meta allows ten attempts in
    /// 72 hours.
    pub async fn register(&self, pin: &str) -> Result<(), SendError> {
        self.post_to("register", &json!({"messaging_product": "whatsapp", "pin": pin}))
            .await
    }

    /// Deregisters the number. It can neither send nor receive until it is registered again.
    pub async fn deregister(&self) -> Result<(), SendError> {
        self.post_to("deregister", &json!({})).await
    }

    /// Blocks people: Meta no longer delivers their messages. Returns those who were blocked.
    pub async fn block(&self, users: &[&str]) -> Result<Vec<BlockedUser>, SendError> {
        let request = self
            .graph
            .http
            .post(self.graph.url(&[self.phone_number_id, "block_users"]));
        let answer: BlockAnswer = self
            .graph
            .read(self.token, request.json(&block_list(users)))
            .await?;
        Ok(answer.block_users.added_users)
    }

    /// Unblocks people. Returns those who were unblocked.
    pub async fn unblock(&self, users: &[&str]) -> Result<Vec<BlockedUser>, SendError> {
        let request = self
            .graph
            .http
            .delete(self.graph.url(&[self.phone_number_id, "block_users"]));
        let answer: BlockAnswer = self
            .graph
            .read(self.token, request.json(&block_list(users)))
            .await?;
        Ok(answer.block_users.removed_users)
    }

    async fn post_to(&self, edge: &str, body: &Value) -> Result<(), SendError> {
        let url = self.graph.url(&[self.phone_number_id, edge]);
        self.graph
            .call(self.token, self.graph.http.post(url).json(body))
            .await
            .map(drop)
    }
}

/// A person who was blocked or unblocked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BlockedUser {
    /// The identifier as it stood in the request.
    pub input: String,
    /// The person's WhatsApp id.
    #[serde(default)]
    pub wa_id: Option<String>,
}

#[derive(Deserialize)]
struct BlockAnswer {
    block_users: BlockResults,
}

#[derive(Deserialize)]
struct BlockResults {
    #[serde(default)]
    added_users: Vec<BlockedUser>,
    #[serde(default)]
    removed_users: Vec<BlockedUser>,
}

fn block_list(users: &[&str]) -> Value {
    let users: Vec<Value> = users.iter().map(|user| json!({"user": user})).collect();
    json!({"messaging_product": "whatsapp", "block_users": users})
}
