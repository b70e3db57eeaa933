//! The content of messages: each kind in the shape Meta requires, with checks of Meta's limits.

mod contact_card;
mod interactive;
mod location;
mod media;
mod reaction;
mod template;

use serde_json::{Value, json};

use super::limits::{self, MediaKind};
use super::problem::{Findings, Problem};

pub use contact_card::{
    ContactAddress, ContactCard, ContactEmail, ContactName, ContactOrg, ContactPhone, ContactUrl,
};
pub use interactive::{
    Action, Header, Interactive, InteractiveKind, LinkParameters, Reply, ReplyButton, Row, Section, TextPart,
};
pub use location::Location;
pub use media::Media;
pub use reaction::Reaction;
pub use template::{Card, Currency, DateTime, Offer, Parameter, TemplateComponent};

/// The content of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A text. Like all kinds but templates it may be sent only within 24 hours of the recipient's last
    /// message.
    Text {
        /// At most 4,096 characters.
        body: String,
        /// Whether WhatsApp shows a preview of the first link.
        preview_url: bool,
    },
    /// A media file of this kind.
    Media(MediaKind, Media),
    /// A location.
    Location(Location),
    /// Contact cards.
    Contacts(Vec<ContactCard>),
    /// An emoji as a reaction to a message.
    Reaction(Reaction),
    /// Reply buttons, a list, a link button or a location request.
    Interactive(Box<Interactive>),
    /// An approved template.
    Template {
        /// The name.
        name: String,
        /// The language code, such as `id` or `en_US`.
        language: String,
        /// The values of the variables: see [`crate::template::TemplateDefinition::components`].
        components: Value,
    },
    /// Content that was checked and stored earlier, in the shape Meta requires.
    Prepared {
        /// Meta's name of the message type.
        kind: String,
        /// The object that Meta expects under that name.
        body: Value,
    },
}

impl Content {
    /// Meta's name of the message type.
    pub fn kind(&self) -> &str {
        match self {
            Self::Text { .. } => "text",
            Self::Media(kind, _) => kind.as_str(),
            Self::Location(_) => "location",
            Self::Contacts(_) => "contacts",
            Self::Reaction(_) => "reaction",
            Self::Interactive(_) => "interactive",
            Self::Template { .. } => "template",
            Self::Prepared { kind, .. } => kind,
        }
    }

    /// The object under the type's name in a request to Meta.
    pub fn body(&self) -> Value {
        match self {
            Self::Text { body, preview_url } => json!({"body": body, "preview_url": preview_url}),
            Self::Media(_, media) => json!(media),
            Self::Location(location) => json!(location),
            Self::Contacts(contacts) => json!(contacts),
            Self::Reaction(reaction) => json!(reaction),
            Self::Interactive(interactive) => json!(interactive),
            Self::Template {
                name,
                language,
                components,
            } => {
                let mut template = json!({"name": name, "language": {"code": language}});
                let filled = components.as_array().is_some_and(|list| !list.is_empty());
                if filled {
                    template["components"] = components.clone();
                }
                template
            }
            Self::Prepared { body, .. } => body.clone(),
        }
    }

    /// Lists the problems for which Meta would refuse the content, as far as they can be known beforehand.
    /// Field names begin with the type, as in `text.body`. The values of a template are checked where its
    /// definition is known.
    pub fn check(&self) -> Vec<Problem> {
        let mut findings = Findings::default();
        match self {
            Self::Text { body, .. } => findings.text("text.body", body, limits::TEXT_BODY),
            Self::Media(kind, media) => media.check(*kind, kind.as_str(), &mut findings),
            Self::Location(location) => location.check("location", &mut findings),
            Self::Contacts(contacts) => contact_card::check_all(contacts, &mut findings),
            Self::Reaction(reaction) => reaction.check(&mut findings),
            Self::Interactive(interactive) => interactive.check(&mut findings),
            Self::Template { name, language, .. } => {
                findings.text("template.name", name, 512);
                findings.text("template.language", language, 15);
            }
            Self::Prepared { .. } => {}
        }
        findings.done()
    }

    /// The text of this message in a conversation thread, on one line. `None` if the kind alone describes it.
    pub fn preview(&self) -> Option<String> {
        match self {
            Self::Text { body, .. } => Some(body.clone()),
            Self::Media(_, media) => media.caption.clone().or_else(|| media.filename.clone()),
            Self::Location(location) => Some(location.preview()),
            Self::Contacts(contacts) => Some(contact_card::preview(contacts)),
            Self::Reaction(reaction) => Some(reaction.emoji.clone()).filter(|emoji| !emoji.is_empty()),
            Self::Interactive(interactive) => Some(interactive.body.text.clone()),
            Self::Template { .. } | Self::Prepared { .. } => None,
        }
    }
}
