//! Conditions on rows, written so that no value can change what they mean.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use reqwest::Url;
use uuid::Uuid;

/// A value to compare a column with.
pub trait FilterValue {
    /// The value as Postgres reads it.
    fn filter_text(&self) -> String;
}

macro_rules! display_is_filter_text {
    ($($kind:ty),+) => {$(
        impl FilterValue for $kind {
            fn filter_text(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

display_is_filter_text!(
    str, String, bool, i16, i32, i64, u16, u32, u64, usize, f64, Uuid, NaiveDate
);

impl FilterValue for DateTime<Utc> {
    fn filter_text(&self) -> String {
        self.to_rfc3339_opts(SecondsFormat::Micros, true)
    }
}

impl<V: FilterValue + ?Sized> FilterValue for &V {
    fn filter_text(&self) -> String {
        (**self).filter_text()
    }
}

/// What `is` can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// The column is null.
    Null,
    /// The column is not null.
    NotNull,
    /// The column is true (and not null).
    True,
    /// The column is false (and not null).
    False,
}

/// A pattern for `ilike`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikePattern(String);

impl LikePattern {
    /// Matches texts that contain `text` as it stands: its `%`, `_` and `\` mean themselves. A `*`, which
    /// PostgREST always reads as `%`, matches any one character.
    pub fn containing(text: &str) -> Self {
        Self(format!("%{}%", escape_like(text)))
    }

    /// Matches texts that begin with `text`, read as in [`LikePattern::containing`].
    pub fn starting_with(text: &str) -> Self {
        Self(format!("{}%", escape_like(text)))
    }
}

fn escape_like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '%' | '_' | '\\' => {
                pattern.push('\\');
                pattern.push(character);
            }
            '*' => pattern.push('_'),
            _ => pattern.push(character),
        }
    }
    pattern
}

/// A condition on a row. Column names are `'static`: a request cannot choose them.
#[derive(Debug, Clone)]
pub struct Condition(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Compare {
        column: &'static str,
        operator: &'static str,
        value: String,
    },
    In {
        column: &'static str,
        values: Vec<String>,
    },
    Is {
        column: &'static str,
        what: Is,
    },
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        pub fn $name(column: &'static str, value: impl FilterValue) -> Self {
            Self::compare(column, stringify!($name), value.filter_text())
        }
    )+};
}

impl Condition {
    comparisons! {
        /// `column = value`
        eq,
        /// `column <> value`
        neq,
        /// `column > value`
        gt,
        /// `column >= value`
        gte,
        /// `column < value`
        lt,
        /// `column <= value`
        lte,
    }

    /// `column ilike pattern`
    pub fn ilike(column: &'static str, pattern: LikePattern) -> Self {
        Self::compare(column, "ilike", pattern.0)
    }

    /// `column is null`, `is not null`, `is true`, `is false`
    pub fn is(column: &'static str, what: Is) -> Self {
        Self(Kind::Is { column, what })
    }

    /// `column in (values)`; no value matches no row.
    pub fn in_<V: FilterValue>(column: &'static str, values: impl IntoIterator<Item = V>) -> Self {
        let values = values.into_iter().map(|value| value.filter_text()).collect();
        Self(Kind::In { column, values })
    }

    /// Every one of them holds.
    pub fn all(conditions: impl IntoIterator<Item = Condition>) -> Self {
        Self(Kind::All(conditions.into_iter().collect()))
    }

    /// At least one of them holds.
    pub fn any(conditions: impl IntoIterator<Item = Condition>) -> Self {
        Self(Kind::Any(conditions.into_iter().collect()))
    }

    fn compare(column: &'static str, operator: &'static str, value: String) -> Self {
        Self(Kind::Compare {
            column,
            operator,
            value,
        })
    }

    /// Adds the condition to a URL. At the top a compared value is everything after the operator and is not
    /// quoted.
    pub(crate) fn append_to(&self, url: &mut Url) {
        let mut pairs = url.query_pairs_mut();
        match &self.0 {
            Kind::Compare {
                column,
                operator,
                value,
            } => {
                pairs.append_pair(column, &format!("{operator}.{value}"));
            }
            Kind::In { column, values } => {
                pairs.append_pair(column, &format!("in.{}", list(values)));
            }
            Kind::Is { column, what } => {
                pairs.append_pair(column, is_text(*what));
            }
            Kind::All(conditions) => {
                pairs.append_pair("and", &group(conditions));
            }
            Kind::Any(conditions) => {
                pairs.append_pair("or", &group(conditions));
            }
        }
    }

    /// The condition as it stands inside `and(...)` or `or(...)`, where every value is quoted.
    fn nested(&self) -> String {
        match &self.0 {
            Kind::Compare {
                column,
                operator,
                value,
            } => format!("{column}.{operator}.{}", quote(value)),
            Kind::In { column, values } => format!("{column}.in.{}", list(values)),
            Kind::Is { column, what } => format!("{column}.{}", is_text(*what)),
            Kind::All(conditions) => format!("and{}", group(conditions)),
            Kind::Any(conditions) => format!("or{}", group(conditions)),
        }
    }
}

fn group(conditions: &[Condition]) -> String {
    let inner: Vec<String> = conditions.iter().map(Condition::nested).collect();
    format!("({})", inner.join(","))
}

fn list(values: &[String]) -> String {
    let inner: Vec<String> = values.iter().map(|value| quote(value)).collect();
    format!("({})", inner.join(","))
}

/// A value between double quotes, as PostgREST reads it in lists and groups: a backslash takes the next
/// character as it is.
fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

fn is_text(what: Is) -> &'static str {
    match what {
        Is::Null => "is.null",
        Is::NotNull => "not.is.null",
        Is::True => "is.true",
        Is::False => "is.false",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::Url;

    use super::{Condition, Kind, LikePattern, list, quote};

    /// PostgREST's `pQuotedValue`: what is between the quotes, and what follows them.
    fn read_quoted(text: &str) -> Option<(String, &str)> {
        let mut value = String::new();
        let mut rest = text.strip_prefix('"')?.chars();
        loop {
            match rest.next()? {
                '"' => return Some((value, rest.as_str())),
                '\\' => value.push(rest.next()?),
                character => value.push(character),
            }
        }
    }

    fn read_list(text: &str) -> Option<Vec<String>> {
        let mut rest = text.strip_prefix('(')?;
        let mut values = Vec::new();
        if rest == ")" {
            return Some(values);
        }
        loop {
            let (value, after) = read_quoted(rest)?;
            values.push(value);
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => return (after == ")").then_some(values),
            }
        }
    }

    /// What Postgres matches with `ilike`, but with regard to case, after PostgREST has read `*` as `%`.
    fn like(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%' | '*', rest @ ..] => (0..=text.len()).any(|from| like(rest, &text[from..])),
            ['_', rest @ ..] => !text.is_empty() && like(rest, &text[1..]),
            ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
                text.first() == Some(literal) && like(rest, &text[1..])
            }
        }
    }

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    /// Texts rich in what means something to PostgREST.
    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            r#"[",.()\\{}&=+%#*:;<> a-z0-9\u{0}\u{e9}]{0,24}"#,
            any::<String>(),
            Just("x),id=not.is.null&or=(id.gt.0".to_owned()),
            Just("\\\"),id.gt.\"0".to_owned()),
            Just("(any).{a,b}".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn a_quoted_value_reads_back_as_it_was(value in hostile(), rest in hostile()) {
            let text = quote(&value) + &rest;
            prop_assert_eq!(read_quoted(&text), Some((value, rest.as_str())));
        }

        #[test]
        fn a_list_reads_back_as_it_was(values in prop::collection::vec(hostile(), 0..5)) {
            prop_assert_eq!(read_list(&list(&values)), Some(values));
        }

        #[test]
        fn a_value_never_adds_a_parameter(value in hostile(), other in hostile()) {
            let mut url = Url::parse("http://host/rest/v1/t").unwrap();
            Condition::eq("a", value.as_str()).append_to(&mut url);
            Condition::any([Condition::eq("b", other.as_str()), Condition::gt("c", 1)]).append_to(&mut url);
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs.len(), 2);
            prop_assert_eq!(&pairs[0], &("a".to_owned(), format!("eq.{value}")));
            prop_assert_eq!(&pairs[1].0, "or");
            let inside = pairs[1].1.strip_prefix("(b.eq.").unwrap();
            prop_assert_eq!(read_quoted(inside), Some((other, r#",c.gt."1")"#)));
        }

        #[test]
        fn a_search_text_finds_itself_and_has_no_wildcards(
            text in "[a-z%_*\\\\]{0,6}", before in "[a-z]{0,3}", after in "[a-z]{0,3}",
        ) {
            let Condition(Kind::Compare { value, .. }) = Condition::ilike("c", LikePattern::containing(&text)) else {
                unreachable!()
            };
            let pattern = chars(&value);
            let found = format!("{before}{text}{after}");
            prop_assert!(like(&pattern, &chars(&found)));
            // With a foreign character inside it is another text.
            if text.len() >= 2 && !text.contains('*') {
                let (head, tail) = text.split_at(1);
                let other = format!("{head}\u{e9}{tail}");
                prop_assert!(!like(&pattern, &chars(&other)));
            }
        }
    }
}
