//! What can be sent: each kind of message in the shape Meta takes, checked against Meta's limits beforehand.

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

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A text, only within 24 hours of the recipient's last message. So are all kinds but templates.
    Text {
        /// At most 4,096 characters.
        body: String,
        /// Whether the first link is shown with a preview.
        preview_url: bool,
    },
    /// A file of this kind.
    Media(MediaKind, Media),
    /// A place.
    Location(Location),
    /// People's cards.
    Contacts(Vec<ContactCard>),
    /// An emoji on a message.
    Reaction(Reaction),
    /// Buttons, a list, a link or a question for the place.
    Interactive(Box<Interactive>),
    /// An approved template.
    Template {
        /// Its name.
        name: String,
        /// Its language, as in `id` or `en_US`.
        language: String,
        /// The values of its variables: see [`crate::template::TemplateDefinition::components`].
        components: Value,
    },
    /// What was checked and stored before, in the shape Meta takes.
    Prepared {
        /// Meta's name of the type.
        kind: String,
        /// What stands under that name.
        body: Value,
    },
}

impl Content {
    /// Meta's name of the type.
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

    /// What stands under the type's name in a request to Meta.
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

    /// What Meta would refuse, as far as can be told beforehand; fields are named from the type on, as in
    /// `text.body`. A template's values are checked where its definition is known.
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

    /// What a thread shows of it in one line. Nothing where only the kind says anything.
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

    /// Whether it may be sent to somebody who has not written within 24 hours.
    pub fn opens_conversation(&self) -> bool {
        self.kind() == "template"
    }
}
