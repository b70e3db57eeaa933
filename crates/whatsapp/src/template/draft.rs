//! A draft of a template, checked against Meta's rules before it is submitted.

use super::button_rules;
use super::composition::{Composition, HeaderFormat};
use super::definition::{has_forbidden_whitespace, length};
use super::draft_problem::{DraftProblem, Fault, Step};
use super::limits::LIMITS;
use super::placeholder::{names, split};
use super::text_rules::{is_one_line, text_faults, use_one_kind_of_names, variable_faults};

/// A template that has not been submitted, or has changed since.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The name.
    pub name: &'a str,
    /// The language code.
    pub language: &'a str,
    /// `MARKETING`, `UTILITY` or `AUTHENTICATION`.
    pub category: &'a str,
    /// The parts.
    pub composition: &'a Composition,
    /// Whether there is a sample file for the header.
    pub has_sample: bool,
}

/// A collector of problems.
pub(super) struct Findings {
    step: Step,
    problems: Vec<DraftProblem>,
}

impl Findings {
    pub(super) fn report(&mut self, field: impl Into<String>, fault: Fault) {
        self.problems.push(DraftProblem {
            step: self.step,
            field: field.into(),
            fault,
        });
    }
}

impl Draft<'_> {
    /// Whether it is an authentication template, whose text Meta writes.
    pub fn is_authentication(&self) -> bool {
        self.category.eq_ignore_ascii_case("AUTHENTICATION")
    }

    /// Lists the problems for which Meta would refuse the template, as far as they can be known beforehand,
    /// in the order of the steps.
    pub fn problems(&self) -> Vec<DraftProblem> {
        let mut found = Findings {
            step: Step::Basics,
            problems: Vec::new(),
        };
        self.check_basics(&mut found);
        found.step = Step::Header;
        self.check_header(&mut found);
        found.step = Step::Body;
        self.check_body(&mut found);
        found.step = Step::Buttons;
        button_rules::check(&self.composition.buttons, self.is_authentication(), &mut found);
        found.step = Step::Examples;
        self.check_examples(&mut found);
        found.step = Step::Review;
        for _ in &self.composition.others {
            found.report("components", Fault::Unsupported);
        }
        found.problems
    }

    /// Lists the problems of one step. The review step lists all of them.
    pub fn problems_of(&self, step: Step) -> Vec<DraftProblem> {
        let mut problems = self.problems();
        problems.retain(|problem| step == Step::Review || problem.step == step);
        problems
    }

    fn check_basics(&self, found: &mut Findings) {
        let name_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.name.is_empty() {
            found.report("name", Fault::Required);
        } else if !self.name.bytes().all(name_byte) {
            found.report("name", Fault::Name);
        } else if length(self.name) > LIMITS.name {
            found.report("name", Fault::TooLong(LIMITS.name));
        }
        if !is_language(self.language) {
            found.report("language", Fault::Language);
        }
        if !["MARKETING", "UTILITY", "AUTHENTICATION"].contains(&self.category) {
            found.report("category", Fault::Category);
        }
    }

    fn check_header(&self, found: &mut Findings) {
        let header = &self.composition.header;
        match header.format {
            HeaderFormat::None => {}
            _ if self.is_authentication() => found.report("header.format", Fault::NotInAuthentication),
            HeaderFormat::Text => {
                for fault in text_faults(&header.text, LIMITS.header_text, true) {
                    found.report("header.text", fault);
                }
                let names = names(&split(&header.text));
                if names.len() > LIMITS.header_variables {
                    found.report("header.text", Fault::TooManyVariables(LIMITS.header_variables));
                } else if let Some(fault) = variable_faults(&names) {
                    found.report("header.text", fault);
                }
            }
            HeaderFormat::Location => {}
            _ if !self.has_sample => found.report("header.sample_path", Fault::NoSample),
            _ => {}
        }
    }

    fn check_body(&self, found: &mut Findings) {
        let Composition {
            header, body, footer, ..
        } = self.composition;
        if self.is_authentication() {
            if !footer.is_empty() {
                found.report("footer", Fault::NotInAuthentication);
            }
            let most = LIMITS.code_expiration_minutes;
            if self
                .composition
                .code_expiration_minutes
                .is_some_and(|minutes| !(1..=most).contains(&minutes))
            {
                found.report("code_expiration_minutes", Fault::Minutes(most));
            }
            return;
        }
        for fault in text_faults(body, LIMITS.body, false) {
            found.report("content", fault);
        }
        let names = names(&split(body));
        if let Some(fault) = variable_faults(&names) {
            found.report("content", fault);
        } else if !use_one_kind_of_names([&header.text, body]) {
            found.report("content", Fault::Mixed);
        }
        for fault in super::text_rules::body_faults(body) {
            found.report("content", fault);
        }
        if !footer.is_empty() {
            for fault in text_faults(footer, LIMITS.footer, true) {
                found.report("footer", fault);
            }
            if !super::placeholder::names(&split(footer)).is_empty() {
                found.report("footer", Fault::NoVariables);
            }
        }
    }

    fn check_examples(&self, found: &mut Findings) {
        if self.is_authentication() {
            return;
        }
        let Composition {
            header,
            body,
            examples,
            ..
        } = self.composition;
        let mut check = |field: String, example: &str| {
            if example.trim().is_empty() {
                found.report(field, Fault::NoExample);
            } else if has_forbidden_whitespace(example) {
                found.report(field, Fault::Whitespace);
            }
        };
        if header.format == HeaderFormat::Text && !names(&split(&header.text)).is_empty() {
            check("header.example".to_owned(), &header.example);
        }
        for name in names(&split(body)) {
            let example = examples.get(&name).map(String::as_str).unwrap_or_default();
            check(format!("variables.{name}"), example);
        }
        for (at, button) in self.composition.buttons.iter().enumerate() {
            let needs_example = match button.kind.as_str() {
                "URL" => !names(&split(&button.url)).is_empty(),
                "COPY_CODE" => true,
                _ => false,
            };
            if needs_example {
                check(format!("buttons[{at}].example"), &button.example);
            }
        }
        if !is_one_line(&header.example) {
            found.report("header.example", Fault::LineBreak);
        }
    }
}

/// Whether the text has the form of a language code, such as `id`, `fil`, `en_US` or `zh_CN`.
fn is_language(code: &str) -> bool {
    let (language, place) = match code.split_once('_') {
        Some((language, place)) => (language, Some(place)),
        None => (code, None),
    };
    (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && place.is_none_or(|place| {
            (2..=3).contains(&place.len()) && place.bytes().all(|byte| byte.is_ascii_uppercase())
        })
}
