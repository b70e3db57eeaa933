//! Outgoing messages in the shape Meta requires.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

use super::content::Content;

/// The longest callback data that Meta returns in the statuses of a message, in bytes.
pub const MAX_CALLBACK_DATA: usize = 512;

/// A message to one recipient.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboundMessage {
    /// The recipient.
    pub to: Recipient,
    /// The content.
    pub content: Content,
    /// The `wamid` of the message this one replies to.
    pub reply_to: Option<String>,
    /// Data that Meta returns in every status of this message, at most [`MAX_CALLBACK_DATA`] bytes.
    pub callback_data: Option<String>,
}

/// The recipient of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A phone number with its country code, with or without the plus.
    Phone(String),
    /// A business-scoped user id.
    UserId(String),
}

impl OutboundMessage {
    /// A message that replies to none and carries no callback data.
    pub fn new(to: Recipient, content: Content) -> Self {
        Self {
            to,
            content,
            reply_to: None,
            callback_data: None,
        }
    }
}

impl Serialize for OutboundMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("messaging_product", "whatsapp")?;
        map.serialize_entry("recipient_type", "individual")?;
        match &self.to {
            // Without a plus, Meta puts the country code of the business in front.
            Recipient::Phone(number) => {
                map.serialize_entry("to", &format!("+{}", number.trim_start_matches('+')))?;
            }
            Recipient::UserId(id) => map.serialize_entry("recipient", id)?,
        }
        map.serialize_entry("type", self.content.kind())?;
        map.serialize_entry(self.content.kind(), &self.content.body())?;
        if let Some(wamid) = &self.reply_to {
            map.serialize_entry("context", &json!({"message_id": wamid}))?;
        }
        if let Some(data) = &self.callback_data {
            map.serialize_entry("biz_opaque_callback_data", data)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::{Content, OutboundMessage, Recipient};

    fn text(body: &str) -> Content {
        Content::Text {
            body: body.into(),
            preview_url: false,
        }
    }

    #[test]
    fn a_reply_names_the_message_it_replies_to() {
        let mut message = OutboundMessage::new(Recipient::Phone("628110001".into()), text("hello"));
        message.reply_to = Some("wamid.X".into());
        message.callback_data = Some("our-id".into());
        let expected = json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+628110001",
            "type": "text", "text": {"body": "hello", "preview_url": false},
            "context": {"message_id": "wamid.X"}, "biz_opaque_callback_data": "our-id",
        });
        assert_eq!(to_value(&message).unwrap(), expected);
    }

    #[test]
    fn a_phone_number_has_exactly_one_plus() {
        let message = OutboundMessage::new(Recipient::Phone("+628110001".into()), text("x"));
        assert_eq!(to_value(&message).unwrap()["to"], "+628110001");
    }

    #[test]
    fn a_template_can_be_sent_to_a_user_id() {
        let content = Content::Template {
            name: "order_ready".into(),
            language: "id".into(),
            components: json!([{"type": "body", "parameters": [{"type": "text", "text": "7"}]}]),
        };
        let message = OutboundMessage::new(Recipient::UserId("ID.123".into()), content);
        let expected = json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", "recipient": "ID.123",
            "type": "template",
            "template": {"name": "order_ready", "language": {"code": "id"},
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "7"}]}]},
        });
        assert_eq!(to_value(&message).unwrap(), expected);
    }

    #[test]
    fn a_template_without_variables_has_no_components() {
        for components in [json!([]), json!(null)] {
            let content = Content::Template {
                name: "a".into(),
                language: "id".into(),
                components,
            };
            let message = OutboundMessage::new(Recipient::Phone("62".into()), content);
            assert!(
                to_value(&message).unwrap()["template"]
                    .get("components")
                    .is_none()
            );
        }
    }
}
