//! A template as Meta returns it, and the components that are sent for it.

use serde_json::{Map, Value, json};

use super::limits::LIMITS;
use super::placeholder::{Piece, is_positional, names, split};
use super::variables::{Problem, ProblemReason, Variable, VariableKind, Variables};

/// The address with which Meta returns the button of an authentication template.
pub(super) const PASSCODE_URL: &str = "https://www.whatsapp.com/otp/";

/// The optional variable with the file name of a document in the header. Without it the name is the end of the address.
const FILE_NAME: &str = "header_filename";

/// The components are not those of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the components are not those of a template: {0}")]
pub struct InvalidDefinition(&'static str);

/// A template whose variables can be filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateDefinition {
    /// Whether the placeholders are named, not numbered.
    pub(super) is_named: bool,
    pub(super) header: Header,
    pub(super) body: Vec<Piece>,
    pub(super) buttons: Vec<Button>,
    variables: Vec<Variable>,
    /// Parts that we cannot fill in: a carousel, an offer, a header with a product, and buttons that need products, or
    /// whose kind we do not know. Nothing is sent without them.
    pub(super) unsupported: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Header {
    None,
    Text(Vec<Piece>),
    File(VariableKind, &'static str),
    Location,
}

/// A button that requires a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Button {
    pub(super) index: usize,
    /// The variable that provides the value. Empty for a button that needs none.
    pub(super) variable: String,
    pub(super) kind: ButtonKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ButtonKind {
    Url,
    CopyCode,
    /// Opens a flow. Meta requires its component, which needs no value.
    Flow,
    /// The button of an authentication template. Its code also stands in the body.
    Passcode,
}

impl TemplateDefinition {
    /// Parses the `components` that `GET /{template}` returns.
    pub fn parse(components: &Value) -> Result<Self, InvalidDefinition> {
        let components = components.as_array().ok_or(InvalidDefinition("not a list"))?;
        let mut definition = Self {
            is_named: false,
            header: Header::None,
            body: Vec::new(),
            buttons: Vec::new(),
            variables: Vec::new(),
            unsupported: Vec::new(),
        };
        let of_type = |wanted: &str| {
            components
                .iter()
                .find(|component| is(&component["type"], wanted))
                .unwrap_or(&Value::Null)
        };
        let (header, body, buttons) = (of_type("HEADER"), of_type("BODY"), of_type("BUTTONS"));

        // A submitted authentication template has no body text: Meta writes it around the code.
        let passcode = has_passcode(buttons).then_some("{{1}}");
        definition.body = split(
            body["text"]
                .as_str()
                .or(passcode)
                .ok_or(InvalidDefinition("no body text"))?,
        );
        definition.is_named = !is_positional(&names(&definition.body));
        definition.add_header(header)?;
        definition.add_body(body);
        definition.add_buttons(buttons);
        for component in components {
            let kind = component["type"].as_str().unwrap_or_default();
            if !["HEADER", "BODY", "FOOTER", "BUTTONS"]
                .iter()
                .any(|known| kind.eq_ignore_ascii_case(known))
            {
                definition.unsupported.push(kind.to_ascii_lowercase());
            }
        }
        Ok(definition)
    }

    /// The variables of the template, in the order of [`Variables::Positional`]: header, body, buttons.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Checks whether Meta would accept these values, as far as that can be known beforehand.
    pub fn check(&self, variables: &Variables) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut report = |variable: &str, reason| {
            problems.push(Problem {
                variable: variable.to_owned(),
                reason,
            });
        };

        for part in &self.unsupported {
            report(part, ProblemReason::Unsupported);
        }
        if let Variables::Positional(values) = variables {
            for extra in self.variables.len()..values.len() {
                report(&(extra + 1).to_string(), ProblemReason::Unexpected);
            }
        }
        if let Variables::Named(values) = variables {
            let takes_name = matches!(self.header, Header::File(VariableKind::Document, _));
            for name in values.keys() {
                let known = self.variables.iter().any(|variable| variable.name == *name)
                    || (takes_name && name == FILE_NAME);
                if !known {
                    report(name, ProblemReason::Unexpected);
                }
            }
        }
        for variable in &self.variables {
            match self.value(variables, &variable.name) {
                None => report(&variable.name, ProblemReason::Missing),
                Some(value) => {
                    if let Some(reason) = self.fault(variable, value) {
                        report(&variable.name, reason);
                    }
                }
            }
        }
        if let Header::Text(pieces) = &self.header
            && length(&self.fill(pieces, variables, "header_")) > LIMITS.header_text
        {
            report("header", ProblemReason::TooLong(LIMITS.header_text));
        }
        if length(&self.render_body(variables)) > LIMITS.body {
            report("body", ProblemReason::TooLong(LIMITS.body));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// The `components` of a message. Missing values are sent as empty texts, which Meta refuses: see
    /// [`TemplateDefinition::check`].
    pub fn components(&self, variables: &Variables) -> Value {
        let mut components = Vec::new();
        let value = |name: &str| self.value(variables, name).unwrap_or_default();

        match &self.header {
            Header::None => {}
            Header::Text(pieces) => {
                let parameters = self.text_parameters(pieces, variables, "header_");
                if !parameters.is_empty() {
                    components.push(json!({"type": "header", "parameters": parameters}));
                }
            }
            Header::File(_, kind) => {
                let mut reference = file(value("header"));
                if *kind == "document" {
                    let given = self
                        .value(variables, FILE_NAME)
                        .filter(|name| !name.trim().is_empty());
                    let name = given.map(str::to_owned).or_else(|| name_of_file(value("header")));
                    if let Some(name) = name {
                        reference["filename"] = name.into();
                    }
                }
                let parameter = json!({"type": kind, *kind: reference});
                components.push(json!({"type": "header", "parameters": [parameter]}));
            }
            Header::Location => {
                let parameter = json!({"type": "location", "location": place(value("header"))});
                components.push(json!({"type": "header", "parameters": [parameter]}));
            }
        }
        let body = self.text_parameters(&self.body, variables, "");
        if !body.is_empty() {
            components.push(json!({"type": "body", "parameters": body}));
        }
        for button in &self.buttons {
            let value = value(&button.variable);
            let (sub_type, parameter) = match button.kind {
                ButtonKind::Url | ButtonKind::Passcode => ("url", json!({"type": "text", "text": value})),
                ButtonKind::CopyCode => ("copy_code", json!({"type": "coupon_code", "coupon_code": value})),
                ButtonKind::Flow => (
                    "flow",
                    json!({"type": "action", "action": {"flow_token": "unused"}}),
                ),
            };
            components.push(json!({
                "type": "button", "sub_type": sub_type, "index": button.index.to_string(), "parameters": [parameter],
            }));
        }
        Value::Array(components)
    }

    /// The body as the recipient reads it. Placeholders without a value remain.
    pub fn render_body(&self, variables: &Variables) -> String {
        self.fill(&self.body, variables, "")
    }

    fn add_header(&mut self, header: &Value) -> Result<(), InvalidDefinition> {
        if header.is_null() {
            return Ok(());
        }
        let format = header["format"].as_str().unwrap_or("TEXT").to_ascii_uppercase();
        let (kind, name) = match format.as_str() {
            "TEXT" => {
                let pieces = split(
                    header["text"]
                        .as_str()
                        .ok_or(InvalidDefinition("a header without text"))?,
                );
                let names = names(&pieces);
                self.is_named |= !is_positional(&names);
                let examples = examples(header, "header_text", "header_text_named_params");
                for name in names {
                    let example = examples(&name);
                    self.add_variable(
                        self.variable_name("header_", &name),
                        VariableKind::HeaderText,
                        example,
                    );
                }
                self.header = Header::Text(pieces);
                return Ok(());
            }
            "LOCATION" => {
                self.header = Header::Location;
                self.add_variable("header".to_owned(), VariableKind::Location, None);
                return Ok(());
            }
            "IMAGE" => (VariableKind::Image, "image"),
            "VIDEO" => (VariableKind::Video, "video"),
            "GIF" => (VariableKind::Gif, "gif"),
            "DOCUMENT" => (VariableKind::Document, "document"),
            other => {
                self.unsupported
                    .push(format!("header {}", other.to_ascii_lowercase()));
                return Ok(());
            }
        };
        self.header = Header::File(kind, name);
        let example = header["example"]["header_handle"][0].as_str().map(str::to_owned);
        self.add_variable("header".to_owned(), kind, example);
        Ok(())
    }

    fn add_body(&mut self, body: &Value) {
        let examples = examples(body, "body_text", "body_text_named_params");
        for name in names(&self.body) {
            let example = examples(&name);
            self.add_variable(name, VariableKind::BodyText, example);
        }
    }

    fn add_buttons(&mut self, component: &Value) {
        let buttons = component["buttons"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for (index, button) in buttons.iter().enumerate() {
            let own = format!("button_{index}");
            let example = button["example"]
                .as_str()
                .or(button["example"][0].as_str())
                .map(str::to_owned);
            let kind = button["type"].as_str().unwrap_or_default().to_ascii_uppercase();
            let url = button["url"].as_str().unwrap_or_default();
            match kind.as_str() {
                "OTP" => self.add_passcode(index),
                "URL" if url.starts_with(PASSCODE_URL) => self.add_passcode(index),
                "URL" if !names(&split(url)).is_empty() => {
                    self.add_variable(own.clone(), VariableKind::UrlSuffix, example);
                    self.buttons.push(Button {
                        index,
                        variable: own,
                        kind: ButtonKind::Url,
                    });
                }
                "COPY_CODE" => {
                    self.add_variable(own.clone(), VariableKind::CopyCode, example);
                    self.buttons.push(Button {
                        index,
                        variable: own,
                        kind: ButtonKind::CopyCode,
                    });
                }
                "FLOW" => self.buttons.push(Button {
                    index,
                    variable: String::new(),
                    kind: ButtonKind::Flow,
                }),
                // They need no value when the template is sent.
                "URL" | "QUICK_REPLY" | "PHONE_NUMBER" | "VOICE_CALL" | "REQUEST_CONTACT_INFO" => {}
                _ => self.unsupported.push(own),
            }
        }
    }

    fn add_passcode(&mut self, index: usize) {
        let code = names(&self.body)
            .into_iter()
            .next()
            .unwrap_or_else(|| "1".to_owned());
        if !self.variables.iter().any(|variable| variable.name == code) {
            self.add_variable(code.clone(), VariableKind::BodyText, None);
        }
        self.buttons.push(Button {
            index,
            variable: code,
            kind: ButtonKind::Passcode,
        });
    }

    /// Adds a variable. A name that occurs in both header and body is one variable.
    fn add_variable(&mut self, name: String, kind: VariableKind, example: Option<String>) {
        if !self.variables.iter().any(|variable| variable.name == name) {
            self.variables.push(Variable { name, kind, example });
        }
    }

    /// The name of a placeholder's variable. Numbers start from 1 in both header and body, so they take a
    /// prefix; names are used unchanged.
    fn variable_name(&self, prefix: &str, placeholder: &str) -> String {
        if placeholder.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("{prefix}{placeholder}")
        } else {
            placeholder.to_owned()
        }
    }

    pub(super) fn value<'v>(&self, variables: &'v Variables, name: &str) -> Option<&'v str> {
        match variables {
            Variables::Named(values) => values.get(name).map(String::as_str),
            Variables::Positional(values) => {
                let at = self.variables.iter().position(|variable| variable.name == name)?;
                values.get(at).map(String::as_str)
            }
        }
    }

    pub(super) fn fill(&self, pieces: &[Piece], variables: &Variables, prefix: &str) -> String {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Placeholder(name) => match self.value(variables, &self.variable_name(prefix, name)) {
                    Some(value) => text.push_str(value),
                    None => {
                        text.push_str("{{");
                        text.push_str(name);
                        text.push_str("}}");
                    }
                },
            }
        }
        text
    }

    fn text_parameters(&self, pieces: &[Piece], variables: &Variables, prefix: &str) -> Vec<Value> {
        let parameter = |name: String| {
            let value = self
                .value(variables, &self.variable_name(prefix, &name))
                .unwrap_or_default();
            let mut parameter = Map::new();
            parameter.insert("type".to_owned(), json!("text"));
            if self.is_named {
                parameter.insert("parameter_name".to_owned(), json!(name));
            }
            parameter.insert("text".to_owned(), json!(value));
            Value::Object(parameter)
        };
        names(pieces).into_iter().map(parameter).collect()
    }

    fn fault(&self, variable: &Variable, value: &str) -> Option<ProblemReason> {
        if value.trim().is_empty() {
            return Some(ProblemReason::Empty);
        }
        let is_passcode =
            |button: &Button| button.kind == ButtonKind::Passcode && button.variable == variable.name;
        let limit = match variable.kind {
            _ if self.buttons.iter().any(is_passcode) => Some(LIMITS.passcode),
            VariableKind::CopyCode => Some(LIMITS.copy_code),
            _ => None,
        };
        if let Some(limit) = limit
            && length(value) > limit
        {
            return Some(ProblemReason::TooLong(limit));
        }
        match variable.kind {
            VariableKind::Image | VariableKind::Video | VariableKind::Gif | VariableKind::Document => {
                (!is_file(value)).then_some(ProblemReason::NotAFile)
            }
            VariableKind::Location => place(value).is_null().then_some(ProblemReason::NotAPlace),
            _ => has_forbidden_whitespace(value).then_some(ProblemReason::Whitespace),
        }
    }
}

fn has_passcode(buttons: &Value) -> bool {
    let buttons = buttons["buttons"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    buttons.iter().any(|button| is(&button["type"], "OTP"))
}

fn is(value: &Value, wanted: &str) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.eq_ignore_ascii_case(wanted))
}

/// The length in characters, because Meta counts characters and not bytes.
pub(super) fn length(text: &str) -> usize {
    text.chars().count()
}

pub(super) fn has_forbidden_whitespace(value: &str) -> bool {
    value.contains(['\n', '\r', '\t']) || value.contains(&" ".repeat(LIMITS.spaces + 1))
}

fn is_file(value: &str) -> bool {
    value.starts_with("https://") || value.bytes().all(|byte| byte.is_ascii_digit())
}

fn file(value: &str) -> Value {
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        json!({"id": value})
    } else {
        json!({"link": value})
    }
}

/// The end of a file's address, if it looks like a file name.
fn name_of_file(value: &str) -> Option<String> {
    let path = value.strip_prefix("https://")?.split(['?', '#']).next()?;
    let (_, name) = path.rsplit_once('/')?;
    let plain = name.contains('.') && !name.starts_with('.') && !name.contains('%');
    plain.then(|| name.to_owned())
}

/// Parses `latitude, longitude; name; address` into Meta's location. Null if the text has another form.
pub(super) fn place(value: &str) -> Value {
    let mut parts = value.splitn(3, ';').map(str::trim);
    let coordinates = parts.next().and_then(|text| text.split_once(','));
    let (Some((latitude, longitude)), Some(name), Some(address)) = (coordinates, parts.next(), parts.next())
    else {
        return Value::Null;
    };
    let number = |text: &str, limit: f64| {
        text.trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.abs() <= limit)
    };
    match (number(latitude, 90.0), number(longitude, 180.0)) {
        (Some(latitude), Some(longitude)) if !name.is_empty() && !address.is_empty() => {
            json!({"latitude": latitude, "longitude": longitude, "name": name, "address": address})
        }
        _ => Value::Null,
    }
}

/// Looks up the example of a placeholder, by its number or by its name.
fn examples<'c>(component: &'c Value, list: &'c str, named: &'c str) -> impl Fn(&str) -> Option<String> + 'c {
    move |name| {
        let examples = &component["example"];
        let text = match name.parse::<usize>() {
            Ok(number) => {
                let at = number.checked_sub(1)?;
                // The header has a list of examples, the body a list of lists.
                examples[list][at].as_str().or(examples[list][0][at].as_str())
            }
            Err(_) => examples[named]
                .as_array()?
                .iter()
                .find(|example| example["param_name"] == name)
                .and_then(|example| example["example"].as_str()),
        };
        text.map(str::to_owned)
    }
}
