//! Problems of a message that are found before it is sent to Meta.

use super::limits::MediaKind;
use crate::error_codes::Locale;

/// A field that Meta would refuse, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path of the field, as in `interactive.action.buttons[1].reply.title`.
    pub field: String,
    /// The reason.
    pub reason: Reason,
}

/// The reason why Meta would refuse a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The field is absent or empty.
    Missing,
    /// The text is longer than this number of characters.
    TooLong(usize),
    /// The list has fewer or more entries than Meta allows.
    Count {
        /// The smallest number.
        min: usize,
        /// The largest number.
        max: usize,
    },
    /// Another entry has the same value.
    Repeated,
    /// The field is not allowed in this place.
    NotAllowed,
    /// Exactly one of `id` and `link` is needed.
    IdOrLink,
    /// The value is not a web address.
    NotALink,
    /// The value is outside plus or minus this number of degrees.
    Degrees(u8),
    /// The value holds a line break, a tab or more than four spaces in a row.
    Whitespace,
    /// The value holds the character U+0000, which Postgres cannot store.
    Null,
    /// Meta has no such type.
    Unknown,
    /// Only a file of this kind is allowed here.
    WrongKind(MediaKind),
}

impl Problem {
    pub(super) fn new(field: impl Into<String>, reason: Reason) -> Self {
        Self {
            field: field.into(),
            reason,
        }
    }
}

impl Reason {
    /// Explains the reason in a phrase that follows the field's name.
    pub fn explain(self, locale: Locale) -> String {
        let (english, indonesian) = match self {
            Self::Missing => ("is required".into(), "wajib diisi".into()),
            Self::TooLong(limit) => (
                format!("must not exceed {limit} characters"),
                format!("tidak boleh lebih dari {limit} karakter"),
            ),
            Self::Count { min, max } if min == max => (
                format!("must have exactly {max} entries"),
                format!("harus terdiri dari tepat {max} isian"),
            ),
            Self::Count { min, max } => (
                format!("must have {min} to {max} entries"),
                format!("harus terdiri dari {min} sampai {max} isian"),
            ),
            Self::Repeated => (
                "must differ from the others".into(),
                "harus berbeda dari yang lain".into(),
            ),
            Self::NotAllowed => ("is not allowed here".into(), "tidak boleh ada di sini".into()),
            Self::IdOrLink => (
                "needs either `id` or `link`, and not both".into(),
                "harus memuat `id` atau `link`, dan tidak keduanya".into(),
            ),
            Self::NotALink => (
                "must be an http or https address".into(),
                "harus berupa alamat http atau https".into(),
            ),
            Self::Degrees(limit) => (
                format!("must be between -{limit} and {limit}"),
                format!("harus di antara -{limit} dan {limit}"),
            ),
            Self::Whitespace => (
                "must not hold line breaks, tabs or more than four spaces in a row".into(),
                "tidak boleh memuat baris baru, tab, atau lebih dari empat spasi berurutan".into(),
            ),
            Self::Null => (
                "must not contain the character U+0000".into(),
                "tidak boleh berisi karakter U+0000".into(),
            ),
            Self::Unknown => ("is not known".into(), "tidak dikenal".into()),
            Self::WrongKind(kind) => (
                format!("must be a file of kind {}", kind.as_str()),
                format!("harus berupa berkas jenis {}", kind.as_str()),
            ),
        };
        match locale {
            Locale::English => english,
            Locale::Indonesian => indonesian,
        }
    }
}

/// A collector of problems, field by field.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Problem>);

impl Findings {
    pub(super) fn add(&mut self, field: impl Into<String>, reason: Reason) {
        self.0.push(Problem::new(field, reason));
    }

    /// Checks a required text of at most `limit` characters.
    pub(super) fn text(&mut self, field: &str, text: &str, limit: usize) {
        if text.trim().is_empty() {
            self.add(field, Reason::Missing);
        } else {
            self.length(field, text, limit);
        }
    }

    /// Checks an optional text, which must not be empty.
    pub(super) fn optional(&mut self, field: &str, text: Option<&str>, limit: usize) {
        if let Some(text) = text {
            self.text(field, text, limit);
        }
    }

    fn length(&mut self, field: &str, text: &str, limit: usize) {
        if text.contains('\0') {
            self.add(field, Reason::Null);
        } else if text.chars().count() > limit {
            self.add(field, Reason::TooLong(limit));
        }
    }

    pub(super) fn link(&mut self, field: &str, link: &str) {
        self.text(field, link, super::limits::LINK);
        let web = reqwest::Url::parse(link)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !web && !link.trim().is_empty() {
            self.add(field, Reason::NotALink);
        }
    }

    pub(super) fn count(&mut self, field: &str, count: usize, min: usize, max: usize) {
        if !(min..=max).contains(&count) {
            self.add(field, Reason::Count { min, max });
        }
    }

    pub(super) fn done(self) -> Vec<Problem> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_explained_in_both_languages() {
        for reason in [
            Reason::Missing,
            Reason::TooLong(20),
            Reason::Count { min: 1, max: 3 },
            Reason::Repeated,
            Reason::NotAllowed,
            Reason::IdOrLink,
            Reason::NotALink,
            Reason::Degrees(90),
            Reason::Whitespace,
            Reason::Null,
            Reason::Unknown,
            Reason::WrongKind(MediaKind::Image),
        ] {
            let (english, indonesian) = (
                reason.explain(Locale::English),
                reason.explain(Locale::Indonesian),
            );
            assert!(!english.is_empty() && english != indonesian, "{reason:?}");
        }
    }
}
