//! A template as a person composes it: its parts, without Meta's nesting.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::definition::PASSCODE_URL;
use super::placeholder::{is_positional, names, split};

/// The parts of a template, unchecked: see [`super::Draft`] for the checks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Composition {
    /// The part above the body.
    pub header: Header,
    /// The message text. Authentication templates have none of their own: Meta writes it.
    pub body: String,
    /// The text below the body.
    pub footer: String,
    /// The buttons below the message.
    pub buttons: Vec<Button>,
    /// The examples for the body's variables, by their names or numbers. Meta requires them for the review.
    pub examples: BTreeMap<String, String>,
    /// Whether the body of an authentication template warns against sharing the code.
    pub security_recommendation: bool,
    /// The lifetime of the code, in minutes, as the footer of an authentication template states it.
    pub code_expiration_minutes: Option<u32>,
    /// Parts that this type cannot represent, in Meta's shape.
    pub others: Vec<Value>,
}

/// The part above the body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    /// The format.
    pub format: HeaderFormat,
    /// The text, for [`HeaderFormat::Text`].
    pub text: String,
    /// The example for the text's variable.
    pub example: String,
}

/// The format of a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HeaderFormat {
    /// No header.
    #[default]
    None,
    /// A line of text.
    Text,
    /// An image.
    Image,
    /// A video.
    Video,
    /// A short video shown as an animation.
    Gif,
    /// A document.
    Document,
    /// A location, which is chosen when the template is sent.
    Location,
}

/// A button, including fields that only Meta knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Button {
    /// `QUICK_REPLY`, `URL`, `PHONE_NUMBER`, `COPY_CODE`, `OTP` and others.
    pub kind: String,
    /// Its label.
    pub text: String,
    /// The address that a `URL` button opens. It may contain one variable, at its end.
    pub url: String,
    /// The number that a `PHONE_NUMBER` button calls.
    pub phone_number: String,
    /// The example: a complete address for a `URL` with a variable, a code for `COPY_CODE`.
    pub example: String,
    /// All other fields, for example `otp_type` and `supported_apps`.
    pub others: Map<String, Value>,
}

impl HeaderFormat {
    /// Parses Meta's name of the format, in any case.
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

    /// Meta's name of the format.
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

    /// Whether the header is a file. Such a template is submitted with a sample file.
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
    /// The OTP type of an authentication template's button: `COPY_CODE`, `ONE_TAP` or `ZERO_TAP`.
    pub fn otp_type(&self) -> &str {
        self.others
            .get("otp_type")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Reads a button from the shape of Meta's API.
    pub fn read(button: &Value) -> Self {
        let text = |name: &str| button[name].as_str().unwrap_or_default().to_owned();
        let example = button["example"].as_str().or(button["example"][0].as_str());
        let (mut kind, mut url) = (text("type").to_ascii_uppercase(), text("url"));
        let mut others = button.as_object().cloned().unwrap_or_default();
        others.retain(|name, _| !["type", "text", "url", "phone_number", "example"].contains(&name.as_str()));
        // Meta returns the button of an authentication template as a link.
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

    /// The button in the shape of Meta's API.
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
    /// Reads components from the shape of Meta's API, in which our own table holds them too.
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

    /// The components in the shape of Meta's API. `header_handle` is Meta's handle of the header's sample
    /// file.
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

    /// The names or numbers of the body's variables, in the order of positional values.
    pub fn body_variables(&self) -> Vec<String> {
        names(&split(&self.body))
    }

    /// Whether the variables are named, not numbered.
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
