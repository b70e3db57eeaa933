//! Interactive messages: reply buttons, lists, link buttons and location requests.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::media::Media;
use crate::client::limits::{self, MediaKind};
use crate::client::problem::{Findings, Reason};

/// An interactive message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interactive {
    /// The type.
    #[serde(rename = "type")]
    pub kind: InteractiveKind,
    /// The part above the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// The text.
    pub body: TextPart,
    /// The part below the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<TextPart>,
    /// The buttons, rows or link of this type.
    #[serde(default)]
    pub action: Action,
}

/// The type of an interactive message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InteractiveKind {
    /// Up to three buttons.
    Button,
    /// A list that opens.
    List,
    /// A button that opens a web page.
    CtaUrl,
    /// A button with which the recipient shares a location.
    LocationRequestMessage,
}

/// A part that consists of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPart {
    /// The text.
    pub text: String,
}

/// The part above the text: a line of text or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// `text`, `image`, `video` or `document`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text, for `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The image, for `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Media>,
    /// The video, for `video`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<Media>,
    /// The document, for `document`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Media>,
}

/// The interactive elements. The kind decides which fields are needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// For [`InteractiveKind::CtaUrl`] and [`InteractiveKind::LocationRequestMessage`];
    /// [`Interactive::completed`] fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For [`InteractiveKind::Button`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<ReplyButton>,
    /// For [`InteractiveKind::List`]: the label of the button that opens the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button: Option<String>,
    /// For [`InteractiveKind::List`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<Section>,
    /// For [`InteractiveKind::CtaUrl`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<LinkParameters>,
}

/// One of up to three buttons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyButton {
    /// Always `reply`.
    #[serde(rename = "type", default = "reply")]
    pub kind: String,
    /// The id and the title.
    pub reply: Reply,
}

fn reply() -> String {
    "reply".to_owned()
}

/// The id and the title of a reply button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The id that Meta returns when the recipient taps the button.
    pub id: String,
    /// The label.
    pub title: String,
}

/// A section of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The title. Meta requires it when there is more than one section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// One row of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The id that Meta returns when the recipient chooses the row.
    pub id: String,
    /// The title.
    pub title: String,
    /// A line below the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The link of a button that opens a web page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkParameters {
    /// The label.
    pub display_text: String,
    /// The address of the page.
    pub url: String,
}

impl Interactive {
    /// Fills in the fixed names that Meta requires.
    #[must_use]
    pub fn completed(mut self) -> Self {
        let name = match self.kind {
            InteractiveKind::CtaUrl => "cta_url",
            InteractiveKind::LocationRequestMessage => "send_location",
            InteractiveKind::Button | InteractiveKind::List => return self,
        };
        self.action.name = Some(name.to_owned());
        self
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        let body_limit = match self.kind {
            InteractiveKind::List => limits::LIST_BODY,
            _ => limits::INTERACTIVE_BODY,
        };
        findings.text("interactive.body.text", &self.body.text, body_limit);
        let footer = self.footer.as_ref().map(|footer| footer.text.as_str());
        findings.optional("interactive.footer.text", footer, limits::FOOTER);
        if let Some(header) = &self.header {
            header.check(self.kind, findings);
        }
        let action = &self.action;
        match self.kind {
            InteractiveKind::Button => check_buttons(&action.buttons, findings),
            InteractiveKind::List => {
                let button = action.button.as_deref().unwrap_or_default();
                findings.text("interactive.action.button", button, limits::LIST_BUTTON);
                check_sections(&action.sections, findings);
            }
            InteractiveKind::CtaUrl => match &action.parameters {
                Some(link) => {
                    let at = "interactive.action.parameters";
                    findings.text(
                        &format!("{at}.display_text"),
                        &link.display_text,
                        limits::LINK_LABEL,
                    );
                    findings.link(&format!("{at}.url"), &link.url);
                }
                None => findings.add("interactive.action.parameters", Reason::Missing),
            },
            InteractiveKind::LocationRequestMessage => {}
        }
    }
}

impl Header {
    fn check(&self, of: InteractiveKind, findings: &mut Findings) {
        let at = "interactive.header";
        if self.kind == "text" {
            let text = self.text.as_deref().unwrap_or_default();
            findings.text(&format!("{at}.text"), text, limits::HEADER);
            return;
        }
        let (kind, media) = match self.kind.as_str() {
            "image" => (MediaKind::Image, &self.image),
            "video" => (MediaKind::Video, &self.video),
            "document" => (MediaKind::Document, &self.document),
            _ => return findings.add(format!("{at}.type"), Reason::Unknown),
        };
        if of == InteractiveKind::List || of == InteractiveKind::LocationRequestMessage {
            return findings.add(format!("{at}.type"), Reason::NotAllowed);
        }
        let at = format!("{at}.{}", kind.as_str());
        match media {
            Some(media) if media.caption.is_some() => {
                findings.add(format!("{at}.caption"), Reason::NotAllowed);
            }
            Some(media) => media.check(kind, &at, findings),
            None => findings.add(at, Reason::Missing),
        }
    }
}

fn check_buttons(buttons: &[ReplyButton], findings: &mut Findings) {
    let list = "interactive.action.buttons";
    findings.count(list, buttons.len(), 1, limits::REPLY_BUTTONS);
    let (mut ids, mut titles) = (HashSet::new(), HashSet::new());
    for (index, button) in buttons.iter().enumerate() {
        let at = format!("{list}[{index}]");
        if button.kind != "reply" {
            findings.add(format!("{at}.type"), Reason::Unknown);
        }
        let (id, title) = (format!("{at}.reply.id"), format!("{at}.reply.title"));
        findings.text(&id, &button.reply.id, limits::REPLY_ID);
        findings.text(&title, &button.reply.title, limits::REPLY_TITLE);
        if !ids.insert(&button.reply.id) {
            findings.add(id, Reason::Repeated);
        }
        if !titles.insert(&button.reply.title) {
            findings.add(title, Reason::Repeated);
        }
    }
}

fn check_sections(sections: &[Section], findings: &mut Findings) {
    let list = "interactive.action.sections";
    findings.count(list, sections.len(), 1, limits::SECTIONS);
    let rows: usize = sections.iter().map(|section| section.rows.len()).sum();
    if !sections.is_empty() {
        findings.count(&format!("{list}.rows"), rows, 1, limits::ROWS);
    }
    let mut ids = HashSet::new();
    for (index, section) in sections.iter().enumerate() {
        let at = format!("{list}[{index}]");
        let title = format!("{at}.title");
        match &section.title {
            None if sections.len() > 1 => findings.add(title, Reason::Missing),
            text => findings.optional(&title, text.as_deref(), limits::SECTION_TITLE),
        }
        if section.rows.is_empty() {
            findings.add(format!("{at}.rows"), Reason::Missing);
        }
        for (index, row) in section.rows.iter().enumerate() {
            let at = format!("{at}.rows[{index}]");
            findings.text(&format!("{at}.id"), &row.id, limits::ROW_ID);
            findings.text(&format!("{at}.title"), &row.title, limits::ROW_TITLE);
            let description = row.description.as_deref();
            findings.optional(&format!("{at}.description"), description, limits::ROW_DESCRIPTION);
            if !ids.insert(&row.id) {
                findings.add(format!("{at}.id"), Reason::Repeated);
            }
        }
    }
}
