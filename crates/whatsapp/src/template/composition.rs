//! A template as people write it: its parts, out of Meta's nesting.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::definition::PASSCODE_URL;
use super::placeholder::{is_positional, names, split};

/// The parts of a template. Nothing in it has been checked: see [`super::Draft`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Composition {
    /// Above the body.
    pub header: Header,
    /// The message itself. Authentication templates have none of their own: Meta writes it.
    pub body: String,
    /// Below the body.
    pub footer: String,
    /// Below the message.
    pub buttons: Vec<Button>,
    /// What the body's variables are submitted with, by their names or numbers.
    pub examples: BTreeMap<String, String>,
    /// Authentication templates: whether the body warns not to share the code.
    pub security_recommendation: bool,
    /// Authentication templates: how long the footer says that the code lives.
    pub code_expiration_minutes: Option<u32>,
    /// Parts that cannot be written here, as Meta has them.
    pub others: Vec<Value>,
}

/// What stands above the body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    /// What it is.
    pub format: HeaderFormat,
    /// Its text, where it is one.
    pub text: String,
    /// What the text's variable is submitted with.
    pub example: String,
}

/// What a header is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HeaderFormat {
    /// There is none.
    #[default]
    None,
    /// A line of text.
    Text,
    /// A picture.
    Image,
    /// A video.
    Video,
    /// A short video shown as an animation.
    Gif,
    /// A document.
    Document,
    /// A place, named when it is sent.
    Location,
}

/// A button, with what Meta may have added to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Button {
    /// `QUICK_REPLY`, `URL`, `PHONE_NUMBER`, `COPY_CODE`, `OTP` and others.
    pub kind: String,
    /// Its label.
    pub text: String,
    /// `URL`: where it leads, with one variable at its end at most.
    pub url: String,
    /// `PHONE_NUMBER`: whom it calls.
    pub phone_number: String,
    /// `URL` with a variable: a whole address. `COPY_CODE`: a code.
    pub example: String,
    /// Everything else, for example `otp_type` and `supported_apps`.
    pub others: Map<String, Value>,
}

impl HeaderFormat {
    /// Reads Meta's name of it, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "NONE" => Self::None,
            "TEXT" => Self::Text,
            "IMAGE" => Self::Image,
            "VIDEO" => Self::Video,
            "GIF" => Self::Gif,
            "DOCUMENT" => Self::Document,
            "LOCATION" => Self::Location,
            _ => return None,
        })
    }

    /// Meta's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Text => "TEXT",
            Self::Image => "IMAGE",
            Self::Video => "VIDEO",
            Self::Gif => "GIF",
            Self::Document => "DOCUMENT",
            Self::Location => "LOCATION",
        }
    }

    /// Whether it is a file, which a submission needs a sample of.
    pub fn is_file(self) -> bool {
        matches!(self, Self::Image | Self::Video | Self::Gif | Self::Document)
    }
}

impl<'de> Deserialize<'de> for HeaderFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("is one of none, text, image, video, gif, document and location")
        })
    }
}

impl Button {
    /// `COPY_CODE`, `ONE_TAP` or `ZERO_TAP` of an authentication template's button.
    pub fn otp_type(&self) -> &str {
        self.others
            .get("otp_type")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Takes a button as Meta's API has it.
    pub fn read(button: &Value) -> Self {
        let text = |name: &str| button[name].as_str().unwrap_or_default().to_owned();
        let example = button["example"].as_str().or(button["example"][0].as_str());
        let (mut kind, mut url) = (text("type").to_ascii_uppercase(), text("url"));
        let mut others = button.as_object().cloned().unwrap_or_default();
        others.retain(|name, _| !["type", "text", "url", "phone_number", "example"].contains(&name.as_str()));
        // What Meta makes of the button of an authentication template.
        if kind == "URL" && url.starts_with(PASSCODE_URL) {
            let otp_type = url
                .split(['?', '&'])
                .find_map(|part| part.strip_prefix("otp_type="));
            others.insert("otp_type".to_owned(), json!(otp_type.unwrap_or("COPY_CODE")));
            kind = "OTP".to_owned();
            url.clear();
        }
        Self {
            kind,
            text: text("text"),
            url,
            phone_number: text("phone_number"),
            example: example.unwrap_or_default().to_owned(),
            others,
        }
    }

    /// The button as Meta's API has it.
    pub fn write(&self) -> Value {
        let mut button = self.others.clone();
        button.insert("type".to_owned(), json!(self.kind));
        for (name, value) in [
            ("text", &self.text),
            ("url", &self.url),
            ("phone_number", &self.phone_number),
        ] {
            if !value.is_empty() {
                button.insert(name.to_owned(), json!(value));
            }
        }
        if !self.example.is_empty() {
            let example = if self.kind == "URL" {
                json!([self.example])
            } else {
                json!(self.example)
            };
            button.insert("example".to_owned(), example);
        }
        Value::Object(button)
    }
}

impl Composition {
    /// Takes apart what Meta's API or our own table holds.
    pub fn read(components: &Value) -> Self {
        let mut composition = Self::default();
        for component in components.as_array().into_iter().flatten() {
            let kind = component["type"].as_str().unwrap_or_default();
            let text = || component["text"].as_str().unwrap_or_default().to_owned();
            match kind.to_ascii_uppercase().as_str() {
                "HEADER" => composition.read_header(component),
                "BODY" => {
                    composition.body = text();
                    composition.security_recommendation = component["add_security_recommendation"]
                        .as_bool()
                        .unwrap_or(false);
                    composition.read_examples(component);
                }
                "FOOTER" => {
                    composition.footer = text();
                    composition.code_expiration_minutes = component["code_expiration_minutes"]
                        .as_u64()
                        .and_then(|minutes| u32::try_from(minutes).ok());
                }
                "BUTTONS" => {
                    let buttons = component["buttons"].as_array();
                    composition.buttons = buttons.into_iter().flatten().map(Button::read).collect();
                }
                _ => composition.others.push(component.clone()),
            }
        }
        composition
    }

    /// Meta's nesting, as it is submitted and kept. `header_handle` is Meta's handle of the header's sample.
    pub fn components(&self, is_authentication: bool, header_handle: Option<&str>) -> Value {
        let mut components = Vec::new();
        if !is_authentication && self.header.format != HeaderFormat::None {
            components.push(self.header_component(header_handle));
        }
        if is_authentication {
            components.push(json!({
                "type": "BODY", "add_security_recommendation": self.security_recommendation,
            }));
            if let Some(minutes) = self.code_expiration_minutes {
                components.push(json!({"type": "FOOTER", "code_expiration_minutes": minutes}));
            }
        } else {
            if !self.body.is_empty() {
                components.push(self.body_component());
            }
            if !self.footer.is_empty() {
                components.push(json!({"type": "FOOTER", "text": self.footer}));
            }
        }
        if !self.buttons.is_empty() {
            let buttons: Vec<Value> = self.buttons.iter().map(Button::write).collect();
            components.push(json!({"type": "BUTTONS", "buttons": buttons}));
        }
        components.extend(self.others.iter().cloned());
        Value::Array(components)
    }

    /// The names or numbers of the body's variables, in the order values are given in.
    pub fn body_variables(&self) -> Vec<String> {
        names(&split(&self.body))
    }

    /// Whether variables have names and not numbers.
    pub fn is_named(&self) -> bool {
        [&self.header.text, &self.body]
            .into_iter()
            .any(|text| !is_positional(&names(&split(text))))
    }

    fn read_header(&mut self, component: &Value) {
        let Some(format) = HeaderFormat::parse(component["format"].as_str().unwrap_or("TEXT")) else {
            self.others.push(component.clone());
            return;
        };
        let example = &component["example"];
        let example = example["header_text"][0]
            .as_str()
            .or(example["header_text_named_params"][0]["example"].as_str());
        self.header = Header {
            format,
            text: component["text"].as_str().unwrap_or_default().to_owned(),
            example: example.unwrap_or_default().to_owned(),
        };
    }

    fn read_examples(&mut self, body: &Value) {
        let example = &body["example"];
        for named in example["body_text_named_params"].as_array().into_iter().flatten() {
            if let (Some(name), Some(value)) = (named["param_name"].as_str(), named["example"].as_str()) {
                self.examples.insert(name.to_owned(), value.to_owned());
            }
        }
        let row = example["body_text"][0]
            .as_array()
            .or(example["body_text"].as_array());
        for (at, value) in row.into_iter().flatten().enumerate() {
            if let Some(value) = value.as_str() {
                self.examples.insert((at + 1).to_string(), value.to_owned());
            }
        }
    }

    fn header_component(&self, header_handle: Option<&str>) -> Value {
        let Header {
            format,
            text,
            example,
        } = &self.header;
        let mut component = json!({"type": "HEADER", "format": format});
        if *format == HeaderFormat::Text {
            component["text"] = json!(text);
            match names(&split(text)).first() {
                Some(name) if !example.is_empty() && self.is_named() => {
                    component["example"] =
                        json!({"header_text_named_params": [{"param_name": name, "example": example}]});
                }
                Some(_) if !example.is_empty() => component["example"] = json!({"header_text": [example]}),
                _ => {}
            }
        } else if let Some(handle) = header_handle.filter(|_| format.is_file()) {
            component["example"] = json!({"header_handle": [handle]});
        }
        component
    }

    fn body_component(&self) -> Value {
        let mut component = json!({"type": "BODY", "text": self.body});
        let names = names(&split(&self.body));
        let example = |name: &String| self.examples.get(name).cloned().unwrap_or_default();
        if names.iter().any(|name| !example(name).is_empty()) {
            component["example"] = if self.is_named() {
                let named = names
                    .iter()
                    .map(|name| json!({"param_name": name, "example": example(name)}));
                json!({"body_text_named_params": named.collect::<Vec<_>>()})
            } else {
                json!({"body_text": [names.iter().map(example).collect::<Vec<_>>()]})
            };
        }
        component
    }
}
