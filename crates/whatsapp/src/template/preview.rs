//! A template as its recipient sees it, for clients to render.

use serde::Serialize;
use serde_json::{Value, json};

use super::composition::{Button, Composition, HeaderFormat};
use super::definition::{TemplateDefinition, place};
use super::draft::Draft;
use super::formatting::{Span, spans};
use super::placeholder::{Piece, names, split};
use super::variables::Variables;

/// The code in previews of authentication templates.
const SAMPLE_CODE: &str = "123456";

/// A message in the form in which a client renders it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// The header above the body.
    pub header: Option<HeaderPreview>,
    /// The body.
    pub body: TextPreview,
    /// The footer, which is shown small and grey.
    pub footer: Option<TextPreview>,
    /// The buttons below the message, in their order.
    pub buttons: Vec<ButtonPreview>,
    /// Variables that have neither a value nor an example. The preview shows their placeholders.
    pub missing: Vec<String>,
}

/// A text in the form in which a client renders it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextPreview {
    /// The text with its values filled in and its formatting marks.
    pub text: String,
    /// The same text as formatted runs.
    pub spans: Vec<Span>,
}

/// A header in the form in which a client renders it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeaderPreview {
    /// `TEXT`, `IMAGE`, `VIDEO`, `GIF`, `DOCUMENT` or `LOCATION`.
    pub format: HeaderFormat,
    /// The text, shown bold. Formatting marks do not apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The address or id of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// `latitude`, `longitude`, `name` and `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Value>,
}

/// A button in the form in which a client renders it, with its action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ButtonPreview {
    /// `QUICK_REPLY`, `URL`, `PHONE_NUMBER`, `COPY_CODE`, `OTP` and others.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its label.
    pub text: String,
    /// The address that it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The number that it calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// The code that it copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl From<String> for TextPreview {
    fn from(text: String) -> Self {
        Self {
            spans: spans(&text),
            text,
        }
    }
}

/// Looks up values and collects the names of missing ones.
struct Filler<'a> {
    definition: Option<TemplateDefinition>,
    values: &'a Variables,
    missing: Vec<String>,
}

impl Filler<'_> {
    fn value(&mut self, name: &str, example: Option<&str>) -> Option<String> {
        let supplied = self
            .definition
            .as_ref()
            .and_then(|definition| definition.value(self.values, name))
            .filter(|value| !value.is_empty());
        let value = supplied.or(example.filter(|example| !example.is_empty()));
        if value.is_none() && !self.missing.iter().any(|missing| missing == name) {
            self.missing.push(name.to_owned());
        }
        value.map(str::to_owned)
    }

    fn fill<'e>(&mut self, text: &str, prefix: &str, example: impl Fn(&str) -> Option<&'e str>) -> String {
        let mut filled = String::new();
        for piece in split(text) {
            match piece {
                Piece::Text(plain) => filled.push_str(&plain),
                Piece::Placeholder(name) => {
                    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
                    let key = if is_number {
                        format!("{prefix}{name}")
                    } else {
                        name.clone()
                    };
                    match self.value(&key, example(&name)) {
                        Some(value) => filled.push_str(&value),
                        None => filled.push_str(&format!("{{{{{name}}}}}")),
                    }
                }
            }
        }
        filled
    }
}

impl Draft<'_> {
    /// The preview of the template with these values. Examples replace missing values.
    pub fn preview(&self, values: &Variables) -> Preview {
        let composition = self.composition;
        let mut filler = Filler {
            definition: definition(composition, self.is_authentication()),
            values,
            missing: Vec::new(),
        };
        let header = header(composition, &mut filler);
        let (body, footer) = if self.is_authentication() {
            authentication_texts(composition, self.language, &mut filler)
        } else {
            let example = |name: &str| composition.examples.get(name).map(String::as_str);
            (
                filler.fill(&composition.body, "", example),
                composition.footer.clone(),
            )
        };
        let buttons = composition
            .buttons
            .iter()
            .enumerate()
            .map(|(at, button)| button_preview(at, button, self.language, &mut filler))
            .collect();
        Preview {
            header,
            body: body.into(),
            footer: (!footer.is_empty()).then(|| footer.into()),
            buttons,
            missing: filler.missing,
        }
    }
}

/// The definition that knows the order of positional values. A draft without a body has one too.
fn definition(composition: &Composition, is_authentication: bool) -> Option<TemplateDefinition> {
    let mut components = composition.components(is_authentication, None);
    if !is_authentication
        && composition.body.is_empty()
        && let Some(list) = components.as_array_mut()
    {
        list.push(json!({"type": "BODY", "text": ""}));
    }
    TemplateDefinition::parse(&components).ok()
}

fn header(composition: &Composition, filler: &mut Filler<'_>) -> Option<HeaderPreview> {
    let header = &composition.header;
    let mut preview = HeaderPreview {
        format: header.format,
        text: None,
        file: None,
        location: None,
    };
    match header.format {
        HeaderFormat::None => return None,
        HeaderFormat::Text => {
            let example = |_: &str| Some(header.example.as_str());
            preview.text = Some(filler.fill(&header.text, "header_", example));
        }
        HeaderFormat::Location => {
            let text = filler.value("header", None).unwrap_or_default();
            preview.location = Some(place(&text)).filter(|place| !place.is_null());
        }
        _ => preview.file = filler.value("header", None),
    }
    // A preview without the file shows a sample, and one without a location shows a pin.
    filler.missing.retain(|missing| missing != "header");
    Some(preview)
}

/// Meta's own texts in the languages that we know them in, otherwise in English.
fn authentication_texts(
    composition: &Composition,
    language: &str,
    filler: &mut Filler<'_>,
) -> (String, String) {
    let is_indonesian = language == "id";
    let code = filler.value("1", Some(SAMPLE_CODE)).unwrap_or_default();
    let minutes = composition.code_expiration_minutes;
    if !composition.body.is_empty() {
        let body = filler.fill(&composition.body, "", |_| Some(SAMPLE_CODE));
        return (body, composition.footer.clone());
    }
    let (sentence, warning, footer) = if is_indonesian {
        (
            "adalah kode verifikasi Anda.",
            " Demi keamanan, jangan bagikan kode ini.",
            minutes.map(|minutes| format!("Kode ini kedaluwarsa dalam {minutes} menit.")),
        )
    } else {
        (
            "is your verification code.",
            " For your security, do not share this code.",
            minutes.map(|minutes| format!("This code expires in {minutes} minutes.")),
        )
    };
    let warning = if composition.security_recommendation {
        warning
    } else {
        ""
    };
    (
        format!("*{code}* {sentence}{warning}"),
        footer.unwrap_or_default(),
    )
}

fn button_preview(at: usize, button: &Button, language: &str, filler: &mut Filler<'_>) -> ButtonPreview {
    let own = format!("button_{at}");
    let mut preview = ButtonPreview {
        kind: button.kind.clone(),
        text: button.text.clone(),
        url: None,
        phone_number: None,
        code: None,
    };
    let is_indonesian = language == "id";
    match button.kind.as_str() {
        "URL" => preview.url = Some(filled_url(&own, button, filler)),
        "PHONE_NUMBER" => preview.phone_number = Some(button.phone_number.clone()),
        "COPY_CODE" => {
            preview.code = filler.value(&own, Some(&button.example));
            if preview.text.is_empty() {
                let label = if is_indonesian {
                    "Salin kode penawaran"
                } else {
                    "Copy offer code"
                };
                label.clone_into(&mut preview.text);
            }
        }
        "OTP" => {
            preview.code = filler.value("1", Some(SAMPLE_CODE));
            if preview.text.is_empty() {
                let label = if is_indonesian { "Salin kode" } else { "Copy code" };
                label.clone_into(&mut preview.text);
            }
        }
        _ => {}
    }
    preview
}

/// The full address of a button. A value is appended to the address; an example is usually a complete
/// address.
fn filled_url(own: &str, button: &Button, filler: &mut Filler<'_>) -> String {
    if names(&split(&button.url)).is_empty() {
        return button.url.clone();
    }
    let stem: String = split(&button.url)
        .into_iter()
        .take_while(|piece| matches!(piece, Piece::Text(_)))
        .map(|piece| match piece {
            Piece::Text(text) | Piece::Placeholder(text) => text,
        })
        .collect();
    match filler.value(own, Some(&button.example)) {
        Some(value) if value.starts_with("https://") || value.starts_with("http://") => value,
        Some(value) => stem + &value,
        None => button.url.clone(),
    }
}
