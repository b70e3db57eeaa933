//! The values of a template, in the shape Meta requires.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::location::Location;
use super::media::Media;
use crate::client::limits::{self, MediaKind};
use crate::client::problem::{Findings, Problem, Reason};

/// The values for one component of a template: the header, the body, one button, the offer or the cards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateComponent {
    /// `header`, `body`, `button`, `limited_time_offer` or `carousel`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of a button: `url`, `quick_reply`, `copy_code`, `flow`, `catalog` and others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_type: Option<String>,
    /// The position of a button, from 0. Meta requires a text; a number is accepted as well.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text_or_number"
    )]
    pub index: Option<String>,
    /// The values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// The cards, for `carousel`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<Card>,
}

/// The values of one card of a carousel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The position of the card, from 0.
    pub card_index: u8,
    /// The values of its components.
    pub components: Vec<TemplateComponent>,
}

fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "must be a number")]
    enum Index {
        Text(String),
        Number(u8),
    }
    Ok(
        Option::<Index>::deserialize(deserializer)?.map(|index| match index {
            Index::Text(text) => text,
            Index::Number(number) => number.to_string(),
        }),
    )
}

/// One value. Its type decides which field holds it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// `text`, `currency`, `date_time`, `image`, `video`, `gif`, `document`, `location`, `payload`, `coupon_code`,
    /// `limited_time_offer` or `action`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of the placeholder, in templates with named placeholders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_name: Option<String>,
    /// For `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// For `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// For `date_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_time: Option<DateTime>,
    /// For `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Media>,
    /// For `video`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<Media>,
    /// For `gif`: a short video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gif: Option<Media>,
    /// For `document`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Media>,
    /// For `location`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// For `payload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// For `coupon_code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon_code: Option<String>,
    /// For `limited_time_offer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_time_offer: Option<Offer>,
    /// For `action`, in Meta's own shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Value>,
}

/// The end of a limited-time offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Milliseconds since 1970.
    pub expiration_time_ms: i64,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Currency {
    /// The text that is shown where the amount cannot be formatted.
    pub fallback_value: String,
    /// The ISO currency code, three letters.
    pub code: String,
    /// The amount times 1,000.
    pub amount_1000: i64,
}

/// A point in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateTime {
    /// The text that is shown.
    pub fallback_value: String,
}

impl TemplateComponent {
    /// Lists the problems for which Meta would refuse the values of a template.
    pub fn check_all(components: &[Self]) -> Vec<Problem> {
        let mut findings = Findings::default();
        Self::check_list(components, "template.components", &mut findings);
        findings.done()
    }

    fn check_list(components: &[Self], list: &str, findings: &mut Findings) {
        findings.count(list, components.len(), 0, limits::TEMPLATE_COMPONENTS);
        for (index, component) in components.iter().enumerate() {
            component.check(&format!("{list}[{index}]"), findings);
        }
    }

    fn check_cards(&self, at: &str, findings: &mut Findings) {
        findings.count(&format!("{at}.cards"), self.cards.len(), 1, limits::CARDS);
        for (nth, card) in self.cards.iter().enumerate() {
            let at = format!("{at}.cards[{nth}]");
            if usize::from(card.card_index) >= limits::CARDS {
                findings.add(format!("{at}.card_index"), Reason::Unknown);
            }
            for (nth, component) in card.components.iter().enumerate() {
                let at = format!("{at}.components[{nth}]");
                if component.kind == "carousel" {
                    findings.add(format!("{at}.type"), Reason::NotAllowed);
                } else {
                    component.check(&at, findings);
                }
            }
        }
    }

    fn check(&self, at: &str, findings: &mut Findings) {
        match self.kind.as_str() {
            "header" | "body" | "limited_time_offer" => {}
            "carousel" => self.check_cards(at, findings),
            "button" => {
                findings.text(
                    &format!("{at}.sub_type"),
                    self.sub_type.as_deref().unwrap_or_default(),
                    32,
                );
                let index = self.index.as_deref().unwrap_or_default();
                if index.parse::<u8>().is_ok_and(|index| index < 10) {
                    // A button with its position.
                } else if index.is_empty() {
                    findings.add(format!("{at}.index"), Reason::Missing);
                } else {
                    findings.add(format!("{at}.index"), Reason::Unknown);
                }
            }
            _ => findings.add(format!("{at}.type"), Reason::Unknown),
        }
        for (index, parameter) in self.parameters.iter().enumerate() {
            parameter.check(&format!("{at}.parameters[{index}]"), findings);
        }
    }
}

impl Parameter {
    fn check(&self, at: &str, findings: &mut Findings) {
        let field = format!("{at}.{}", self.kind);
        let words = |text: Option<&String>, limit: usize, findings: &mut Findings| {
            let text = text.map(String::as_str).unwrap_or_default();
            findings.text(&field, text, limit);
            if has_forbidden_whitespace(text) {
                findings.add(field.as_str(), Reason::Whitespace);
            }
        };
        let file = |kind: MediaKind, media: Option<&Media>, findings: &mut Findings| match media {
            Some(media) => media.check(kind, &field, findings),
            None => findings.add(field.as_str(), Reason::Missing),
        };
        match self.kind.as_str() {
            "text" => words(self.text.as_ref(), limits::TEMPLATE_VALUE, findings),
            "payload" => words(self.payload.as_ref(), limits::PAYLOAD, findings),
            "coupon_code" => words(self.coupon_code.as_ref(), limits::COUPON_CODE, findings),
            "image" => file(MediaKind::Image, self.image.as_ref(), findings),
            "video" => file(MediaKind::Video, self.video.as_ref(), findings),
            "gif" => file(MediaKind::Video, self.gif.as_ref(), findings),
            "document" => file(MediaKind::Document, self.document.as_ref(), findings),
            "currency" => match &self.currency {
                Some(currency) => {
                    words(Some(&currency.fallback_value), limits::TEMPLATE_VALUE, findings);
                    let code = &currency.code;
                    if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
                        findings.add(format!("{field}.code"), Reason::Unknown);
                    }
                }
                None => findings.add(field, Reason::Missing),
            },
            "date_time" => words(
                self.date_time.as_ref().map(|time| &time.fallback_value),
                limits::TEMPLATE_VALUE,
                findings,
            ),
            "location" => match &self.location {
                Some(location) => location.check(&field, findings),
                None => findings.add(field, Reason::Missing),
            },
            "limited_time_offer" => {
                if self
                    .limited_time_offer
                    .is_none_or(|offer| offer.expiration_time_ms <= 0)
                {
                    findings.add(format!("{field}.expiration_time_ms"), Reason::Missing);
                }
            }
            "action" => {
                if !self.action.as_ref().is_some_and(Value::is_object) {
                    findings.add(field, Reason::Missing);
                }
            }
            _ => findings.add(format!("{at}.type"), Reason::Unknown),
        }
    }
}

/// Whether the text holds whitespace that Meta refuses in the values of templates (error 132018).
fn has_forbidden_whitespace(text: &str) -> bool {
    text.contains(['\n', '\r', '\t']) || text.contains("     ")
}
