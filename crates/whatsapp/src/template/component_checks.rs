//! Checks of components in Meta's own shape against the template they are for.

use std::collections::{BTreeMap, HashSet};

use super::definition::{ButtonKind, Header, TemplateDefinition, length};
use super::limits::LIMITS;
use super::placeholder::{Piece, is_positional, names};
use super::variables::{VariableKind, Variables};
use crate::client::limits::MediaKind;
use crate::client::{Parameter, Problem, Reason, TemplateComponent};

/// The path of the components in a message.
const LIST: &str = "template.components";

impl TemplateDefinition {
    /// Lists the problems for which Meta would refuse components that are well formed
    /// ([`TemplateComponent::check_all`]): values that are missing, too many, of the wrong kind or name, or
    /// too long once they are filled in. Of parts that we cannot fill in, only the presence is checked: Meta
    /// checks their values.
    pub fn check_components(&self, components: &[TemplateComponent]) -> Vec<Problem> {
        let mut findings = Findings::default();
        if !self.unsupported.is_empty() {
            for part in &self.unsupported {
                let button = part.strip_prefix("button_");
                let kind = match button {
                    Some(_) => "button",
                    None => part.split(' ').next().unwrap_or(part),
                };
                let present = of_kind(components, kind)
                    .any(|(_, component)| button.is_none() || component.index.as_deref() == button);
                if !present {
                    findings.add(format!("{LIST}.{}", part.replace(' ', "_")), Reason::Missing);
                }
            }
            return findings.0;
        }
        let header = findings.only(components, "header");
        let body = findings.only(components, "body");
        match &self.header {
            Header::None => findings.check_count(header, "header", 0),
            Header::Text(pieces) => {
                self.check_text(pieces, header, "header", LIMITS.header_text, &mut findings);
            }
            Header::File(kind, name) => findings.check_header(header, name, *kind),
            Header::Location => findings.check_header(header, "location", VariableKind::Location),
        }
        self.check_text(&self.body, body, "body", LIMITS.body, &mut findings);
        self.check_buttons(components, &mut findings);
        findings.0
    }

    fn check_text(
        &self,
        pieces: &[Piece],
        supplied: Option<(usize, &TemplateComponent)>,
        part: &str,
        limit: usize,
        findings: &mut Findings,
    ) {
        let wanted = names(pieces);
        findings.check_count(supplied, part, wanted.len());
        let Some((at, component)) = supplied else { return };
        let is_named = !is_positional(&wanted) && !wanted.is_empty();
        let mut values = BTreeMap::new();
        for (nth, parameter) in component.parameters.iter().enumerate() {
            let place = format!("{LIST}[{at}].parameters[{nth}]");
            let Some(value) = text_of(parameter) else {
                findings.add(format!("{place}.type"), Reason::NotAllowed);
                continue;
            };
            let name = match &parameter.parameter_name {
                Some(name) if is_named => Some(name.clone()),
                None if is_named => {
                    findings.add(format!("{place}.parameter_name"), Reason::Missing);
                    None
                }
                _ => wanted.get(nth).cloned(),
            };
            let Some(name) = name else { continue };
            if !wanted.contains(&name) {
                findings.add(format!("{place}.parameter_name"), Reason::Unknown);
            } else if values.insert(name, value.to_owned()).is_some() {
                findings.add(format!("{place}.parameter_name"), Reason::Repeated);
            }
        }
        if length(&self.fill(pieces, &Variables::Named(values), "")) > limit {
            findings.add(format!("{LIST}[{at}].parameters"), Reason::TooLong(limit));
        }
    }

    fn check_buttons(&self, components: &[TemplateComponent], findings: &mut Findings) {
        let mut places = HashSet::new();
        for (at, component) in of_kind(components, "button") {
            if !places.insert(component.index.as_deref()) {
                findings.add(format!("{LIST}[{at}].index"), Reason::Repeated);
            }
        }
        for button in &self.buttons {
            let index = button.index.to_string();
            let supplied = of_kind(components, "button")
                .find(|(_, component)| component.index.as_deref() == Some(index.as_str()));
            let (sub_type, kind, limit) = match button.kind {
                ButtonKind::Url => ("url", "text", None),
                ButtonKind::Passcode => ("url", "text", Some(LIMITS.passcode)),
                ButtonKind::CopyCode => ("copy_code", "coupon_code", Some(LIMITS.copy_code)),
                ButtonKind::Flow => ("flow", "action", None),
            };
            findings.check_count(supplied, &format!("button_{index}"), 1);
            let Some((at, component)) = supplied else { continue };
            let is_sub_type = |text: &String| text.eq_ignore_ascii_case(sub_type);
            if !component.sub_type.as_ref().is_some_and(is_sub_type) {
                findings.add(format!("{LIST}[{at}].sub_type"), Reason::Unknown);
            }
            let Some(parameter) = component.parameters.first() else {
                continue;
            };
            if parameter.kind != kind {
                findings.add(format!("{LIST}[{at}].parameters[0].type"), Reason::NotAllowed);
            }
            let value = parameter.text.as_ref().or(parameter.coupon_code.as_ref());
            if let Some(limit) = limit
                && value.is_some_and(|value| length(value) > limit)
            {
                findings.add(
                    format!("{LIST}[{at}].parameters[0].{kind}"),
                    Reason::TooLong(limit),
                );
            }
        }
    }
}

#[derive(Default)]
struct Findings(Vec<Problem>);

impl Findings {
    fn add(&mut self, field: String, reason: Reason) {
        self.0.push(Problem { field, reason });
    }

    /// The only component of that kind. A second one is a problem.
    fn only<'c>(
        &mut self,
        components: &'c [TemplateComponent],
        kind: &str,
    ) -> Option<(usize, &'c TemplateComponent)> {
        let mut all = of_kind(components, kind);
        let first = all.next();
        for (at, _) in all {
            self.add(format!("{LIST}[{at}].type"), Reason::Repeated);
        }
        first
    }

    /// Checks that the component has as many values as this part of the template has variables.
    fn check_count(&mut self, supplied: Option<(usize, &TemplateComponent)>, part: &str, wanted: usize) {
        match supplied {
            None if wanted > 0 => self.add(format!("{LIST}.{part}"), Reason::Missing),
            Some((at, component)) if component.parameters.len() != wanted => self.add(
                format!("{LIST}[{at}].parameters"),
                Reason::Count {
                    min: wanted,
                    max: wanted,
                },
            ),
            _ => {}
        }
    }

    fn check_header(
        &mut self,
        supplied: Option<(usize, &TemplateComponent)>,
        name: &str,
        kind: VariableKind,
    ) {
        self.check_count(supplied, "header", 1);
        let Some((at, parameter)) = supplied.and_then(|(at, header)| Some((at, header.parameters.first()?)))
        else {
            return;
        };
        if parameter.kind != name {
            let reason = match kind {
                VariableKind::Image => Reason::WrongKind(MediaKind::Image),
                VariableKind::Video => Reason::WrongKind(MediaKind::Video),
                VariableKind::Document => Reason::WrongKind(MediaKind::Document),
                _ => Reason::NotAllowed,
            };
            self.add(format!("{LIST}[{at}].parameters[0].type"), reason);
        }
    }
}

fn of_kind<'c>(
    components: &'c [TemplateComponent],
    kind: &str,
) -> impl Iterator<Item = (usize, &'c TemplateComponent)> {
    components
        .iter()
        .enumerate()
        .filter(move |(_, component)| component.kind == kind)
}

/// The text that a parameter inserts.
fn text_of(parameter: &Parameter) -> Option<&str> {
    match parameter.kind.as_str() {
        "text" => parameter.text.as_deref(),
        "currency" => parameter
            .currency
            .as_ref()
            .map(|money| money.fallback_value.as_str()),
        "date_time" => parameter
            .date_time
            .as_ref()
            .map(|time| time.fallback_value.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(template: &Value, components: &Value) -> Vec<(String, Reason)> {
        let definition = TemplateDefinition::parse(template).unwrap();
        let components: Vec<TemplateComponent> = serde_json::from_value(components.clone()).unwrap();
        assert_eq!(TemplateComponent::check_all(&components), [], "{components:?}");
        let problems = definition.check_components(&components);
        problems
            .into_iter()
            .map(|problem| (problem.field.replace("template.components", ""), problem.reason))
            .collect()
    }

    fn text(value: &str) -> Value {
        json!({"type": "text", "text": value})
    }

    #[test]
    fn a_text_needs_one_value_per_variable_within_its_limit() {
        let template = json!([{"type": "BODY", "text": "Hi {{1}}, order {{2}} is ready."}]);
        let body = |parameters: Value| json!([{"type": "body", "parameters": parameters}]);
        let exactly = |count| Reason::Count {
            min: count,
            max: count,
        };
        let money = json!({"type": "currency", "currency": {"fallback_value": "Rp 5", "code": "IDR", "amount_1000": 5000}});
        assert_eq!(problems(&template, &body(json!([text("Ana"), money]))), []);
        assert_eq!(
            problems(&template, &body(json!([text("Ana")]))),
            [("[0].parameters".into(), exactly(2))]
        );
        assert_eq!(
            problems(&template, &json!([])),
            [(".body".into(), Reason::Missing)]
        );
        let filled = |count: usize| body(json!([text(&"x".repeat(count)), text("1")]));
        assert_eq!(problems(&template, &filled(1_024 - 22)), []);
        assert_eq!(
            problems(&template, &filled(1_024 - 21)),
            [("[0].parameters".into(), Reason::TooLong(1_024))]
        );
        let two = json!([{"type": "body", "parameters": [text("a"), text("b")]}, {"type": "body", "parameters": []},
            {"type": "header", "parameters": [text("a")]}]);
        assert_eq!(
            problems(&template, &two),
            [
                ("[1].type".into(), Reason::Repeated),
                ("[2].parameters".into(), exactly(0))
            ]
        );
    }

    #[test]
    fn named_variables_need_named_values() {
        let template = json!([{"type": "BODY", "text": "Hi {{name}}, order {{order_no}} is ready."}]);
        let named = |name: &str| json!({"type": "text", "parameter_name": name, "text": "x"});
        let body = |parameters: Value| json!([{"type": "body", "parameters": parameters}]);
        assert_eq!(
            problems(&template, &body(json!([named("order_no"), named("name")]))),
            []
        );
        for (parameters, field, reason) in [
            (
                json!([text("x"), named("name")]),
                "[0].parameters[0].parameter_name",
                Reason::Missing,
            ),
            (
                json!([named("name"), named("other")]),
                "[0].parameters[1].parameter_name",
                Reason::Unknown,
            ),
            (
                json!([named("name"), named("name")]),
                "[0].parameters[1].parameter_name",
                Reason::Repeated,
            ),
        ] {
            assert_eq!(
                problems(&template, &body(parameters)),
                [(field.to_owned(), reason)]
            );
        }
    }

    #[test]
    fn a_header_needs_its_file_or_location() {
        for (format, own, other) in [
            ("IMAGE", "image", "video"),
            ("DOCUMENT", "document", "image"),
            ("GIF", "gif", "image"),
        ] {
            let template = json!([{"type": "HEADER", "format": format}, {"type": "BODY", "text": "Hi"}]);
            let header =
                |kind: &str| json!([{"type": "header", "parameters": [{"type": kind, (kind): {"id": "1"}}]}]);
            assert_eq!(problems(&template, &header(own)), [], "{format}");
            let [(field, _)] = problems(&template, &header(other)).try_into().unwrap();
            assert_eq!(field, "[0].parameters[0].type");
            assert_eq!(
                problems(&template, &json!([])),
                [(".header".into(), Reason::Missing)]
            );
        }
        let template = json!([{"type": "HEADER", "format": "LOCATION"}, {"type": "BODY", "text": "Hi"}]);
        let place = json!([{"type": "header", "parameters": [{"type": "location", "location": {"latitude": 1, "longitude": 2}}]}]);
        assert_eq!(problems(&template, &place), []);
    }

    #[test]
    fn buttons_need_their_values_at_their_index() {
        let template = json!([{"type": "BODY", "text": "Hi"}, {"type": "BUTTONS", "buttons": [
            {"type": "QUICK_REPLY", "text": "Yes"},
            {"type": "URL", "text": "Track", "url": "https://a.test/{{1}}"},
            {"type": "COPY_CODE", "example": "X"},
        ]}]);
        let url = json!({"type": "button", "sub_type": "url", "index": "1", "parameters": [text("7")]});
        let code = |code: &str| json!({"type": "button", "sub_type": "copy_code", "index": 2, "parameters": [{"type": "coupon_code", "coupon_code": code}]});
        let reply = json!({"type": "button", "sub_type": "quick_reply", "index": 0, "parameters": [{"type": "payload", "payload": "y"}]});
        assert_eq!(
            problems(&template, &json!([reply, url, code(&"x".repeat(20))])),
            []
        );
        assert_eq!(
            problems(&template, &json!([url])),
            [(".button_2".into(), Reason::Missing)]
        );
        let wrong = json!({"type": "button", "sub_type": "quick_reply", "index": "1", "parameters": [{"type": "payload", "payload": "y"}]});
        let fields: Vec<String> = problems(&template, &json!([wrong, code("X")]))
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["[0].sub_type", "[0].parameters[0].type"]);
        assert_eq!(
            problems(&template, &json!([url, code("X"), code("Y")])),
            [("[2].index".into(), Reason::Repeated)]
        );
    }

    #[test]
    fn an_authentication_code_is_needed_in_body_and_button() {
        let template = json!([{"type": "BODY", "add_security_recommendation": true},
            {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]);
        let message = |code: &str| {
            json!([{"type": "body", "parameters": [text(code)]},
            {"type": "button", "sub_type": "url", "index": "0", "parameters": [text(code)]}])
        };
        assert_eq!(problems(&template, &message(&"1".repeat(15))), []);
        assert_eq!(
            problems(&template, &message(&"1".repeat(16))),
            [("[1].parameters[0].text".into(), Reason::TooLong(15))]
        );
    }

    #[test]
    fn of_unsupported_parts_only_the_presence_is_checked() {
        let template =
            json!([{"type": "BODY", "text": "Hi {{1}}, look."}, {"type": "CAROUSEL", "cards": []}]);
        assert_eq!(
            problems(&template, &json!([])),
            [(".carousel".into(), Reason::Missing)]
        );
        let card = json!({"card_index": 0, "components": []});
        assert_eq!(
            problems(&template, &json!([{"type": "carousel", "cards": [card]}])),
            []
        );
    }

    #[test]
    fn a_button_that_opens_a_flow_or_shows_products_is_never_sent_without_its_component() {
        let template = |kind: &str| json!([{"type": "BODY", "text": "Hi"}, {"type": "BUTTONS", "buttons": [{"type": kind, "text": "Open"}]}]);
        for kind in ["FLOW", "CATALOG", "MPM", "SPM", "ORDER_DETAILS", "SOMETHING_NEW"] {
            assert_eq!(
                problems(&template(kind), &json!([])),
                [(".button_0".into(), Reason::Missing)],
                "{kind}"
            );
        }
        for kind in [
            "QUICK_REPLY",
            "PHONE_NUMBER",
            "VOICE_CALL",
            "REQUEST_CONTACT_INFO",
        ] {
            assert_eq!(problems(&template(kind), &json!([])), [], "{kind}");
        }
    }
}
