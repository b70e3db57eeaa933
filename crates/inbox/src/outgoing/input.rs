//! A message as clients send it: Meta's format, with a few shortcuts.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use whatsapp::client::limits::MediaKind;
use whatsapp::client::{ContactCard, Content, Interactive, Location, Media, Reaction};

use super::problem;
use super::template::{TemplateInput, TemplatePlace};
use crm_core::caller::Caller;
use crm_core::error::ApiError;

/// A message. The field named by `type` holds the content, as in Meta's API; files are given by `id` (of an upload) or
/// `link`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct MessageInput {
    #[serde(rename = "type", default)]
    kind: MessageKind,
    text: Option<TextInput>,
    /// `{"id" | "link", "caption"?}`
    #[schema(value_type = Option<Object>)]
    image: Option<Media>,
    /// `{"id" | "link", "caption"?}`
    #[schema(value_type = Option<Object>)]
    video: Option<Media>,
    /// `{"id" | "link"}`
    #[schema(value_type = Option<Object>)]
    audio: Option<Media>,
    /// `{"id" | "link", "caption"?, "filename"?}`
    #[schema(value_type = Option<Object>)]
    document: Option<Media>,
    /// `{"id" | "link"}`
    #[schema(value_type = Option<Object>)]
    sticker: Option<Media>,
    /// `{"latitude", "longitude", "name"?, "address"?}`
    #[schema(value_type = Option<Object>)]
    location: Option<Location>,
    /// `[{"name": {"formatted_name", "first_name"?, ...}, "phones"?, "emails"?, ...}]`
    #[schema(value_type = Option<Vec<Object>>)]
    contacts: Option<Vec<ContactCard>>,
    /// `{"message_id", "emoji"}`; an empty emoji removes the reaction
    #[schema(value_type = Option<Object>)]
    reaction: Option<Reaction>,
    /// `button`, `list`, `cta_url` or `location_request_message`
    #[schema(value_type = Option<Object>)]
    interactive: Option<Interactive>,
    template: Option<TemplateInput>,
    /// The message that is answered.
    context: Option<ContextInput>,
}

/// Meta's name of a message type.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum MessageKind {
    #[default]
    Text,
    Image,
    Video,
    Audio,
    Document,
    Sticker,
    Location,
    Contacts,
    Reaction,
    Interactive,
    Template,
}

/// A text: `"hello"` or `{"body": "hello", "preview_url": true}`.
#[derive(Deserialize, ToSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "must be a text or an object with `body` and, at choice, `preview_url`"
)]
enum TextInput {
    Body(String),
    Options {
        #[schema(example = "Halo!")]
        body: String,
        /// Whether WhatsApp shows a preview of the first link.
        preview_url: Option<bool>,
    },
}

/// The message that is answered.
#[derive(Deserialize, ToSchema)]
struct ContextInput {
    /// Our id of the message, or Meta's.
    #[schema(example = "wamid.HBgNNjI4MTIzNDU2Nzg5MBUCABEYEjZ")]
    message_id: String,
}

/// A message that passed all checks that are possible before Meta is asked.
pub(super) struct CheckedMessage {
    pub(super) kind: String,
    /// The preview that the thread shows.
    pub(super) preview: Option<String>,
    /// The content that is stored and sent, under the name of its type.
    pub(super) payload: Value,
    pub(super) reply_to: Option<String>,
}

impl MessageInput {
    /// Runs every check that does not need the conversation.
    pub(super) async fn checked(
        self,
        caller: &Caller,
        place: TemplatePlace,
    ) -> Result<CheckedMessage, ApiError> {
        let reply_to = self.context.as_ref().map(|context| context.message_id.clone());
        if reply_to
            .as_ref()
            .is_some_and(|id| id.len() > 512 || id.contains('\0'))
        {
            return Err(ApiError::unknown("context.message_id"));
        }
        let (content, preview) = match self.kind {
            MessageKind::Template => {
                required("template", self.template)?
                    .content(caller, place)
                    .await?
            }
            _ => {
                let content = self.content()?;
                problem::refuse(content.check())?;
                let preview = content.preview();
                (content, preview)
            }
        };
        Ok(CheckedMessage {
            kind: content.kind().to_owned(),
            preview,
            payload: json!({ content.kind(): content.body() }),
            reply_to,
        })
    }

    fn content(self) -> Result<Content, ApiError> {
        let media = |kind: MediaKind, media: Option<Media>| -> Result<Content, ApiError> {
            let media = required(kind.as_str(), media)?;
            let given = |text: Option<String>| text.filter(|text| !text.is_empty());
            Ok(Content::Media(
                kind,
                Media {
                    caption: given(media.caption),
                    filename: given(media.filename),
                    ..media
                },
            ))
        };
        match self.kind {
            MessageKind::Text | MessageKind::Template => {
                let (body, preview_url) = match required("text", self.text)? {
                    TextInput::Body(body) => {
                        check_plain(&body)?;
                        (body, false)
                    }
                    TextInput::Options { body, preview_url } => (body, preview_url.unwrap_or_default()),
                };
                Ok(Content::Text { body, preview_url })
            }
            MessageKind::Image => media(MediaKind::Image, self.image),
            MessageKind::Video => media(MediaKind::Video, self.video),
            MessageKind::Audio => media(MediaKind::Audio, self.audio),
            MessageKind::Document => media(MediaKind::Document, self.document),
            MessageKind::Sticker => media(MediaKind::Sticker, self.sticker),
            MessageKind::Location => required("location", self.location).map(Content::Location),
            MessageKind::Contacts => required("contacts", self.contacts).map(Content::Contacts),
            MessageKind::Reaction => required("reaction", self.reaction).map(Content::Reaction),
            MessageKind::Interactive => required("interactive", self.interactive)
                .map(|interactive| Content::Interactive(Box::new(interactive.completed()))),
        }
    }
}

fn required<T>(field: &str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::required(field))
}

/// A text given as a plain string is named `text` in a refusal, without `body`.
fn check_plain(body: &str) -> Result<(), ApiError> {
    let mut problems = Content::Text {
        body: body.to_owned(),
        preview_url: false,
    }
    .check();
    for problem in &mut problems {
        problem.field = "text".to_owned();
    }
    problem::refuse(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(json: &str) -> Result<Content, ApiError> {
        serde_json::from_str::<MessageInput>(json).unwrap().content()
    }

    #[test]
    fn each_kind_needs_its_own_member() {
        for kind in [
            "text",
            "image",
            "video",
            "audio",
            "document",
            "sticker",
            "location",
            "contacts",
            "reaction",
            "interactive",
        ] {
            let error = content(&format!(r#"{{"type":"{kind}"}}"#)).unwrap_err();
            assert_eq!(error.code(), "invalid_field", "{kind}");
        }
        assert_eq!(
            content(r#"{"text":"hi"}"#).unwrap(),
            Content::Text {
                body: "hi".into(),
                preview_url: false
            }
        );
        for caption in [r#""""#, "null"] {
            let image = format!(r#"{{"type":"image","image":{{"id":"7","caption":{caption}}}}}"#);
            assert_eq!(content(&image).unwrap().body(), json!({"id": "7"}));
        }
        let preview = content(r#"{"text":{"body":"hi","preview_url":null}}"#).unwrap();
        assert_eq!(preview.body(), json!({"body": "hi", "preview_url": false}));
        let sticker = content(r#"{"type":"sticker","sticker":{"id":"7"},"image":{"id":"8"}}"#).unwrap();
        assert_eq!(sticker.body(), json!({"id": "7"}));
    }

    #[test]
    fn unknown_kinds_are_refused() {
        assert!(serde_json::from_str::<MessageInput>(r#"{"type":"telepathy"}"#).is_err());
    }
}
