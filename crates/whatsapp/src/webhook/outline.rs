//! The positions of all values of a JSON text, found in one pass. Values are read only on demand, and
//! tolerate unexpected types.
//!
//! Parsing nested raw values with serde would read each byte once per level, and Meta's envelopes have ten
//! levels.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::NotJson;

/// A JSON text and the positions of its values, in the order in which they begin.
pub(super) struct Outline<'a> {
    text: &'a str,
    nodes: Vec<Node>,
    /// Whether the text may hold something that Postgres cannot store.
    pub(super) is_suspicious: bool,
}

struct Node {
    start: u32,
    end: u32,
    /// The index of the first node after this value.
    next: u32,
    /// The number of levels of lists and objects.
    depth: u32,
    /// Whether it is a string that contains a backslash.
    is_escaped: bool,
}

/// One value of an outline.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    outline: &'a Outline<'a>,
    at: usize,
}

/// An element that is an object. If several members have the same name, the last one counts.
#[derive(Clone, Copy)]
pub(super) struct Object<'a>(Element<'a>);

/// The longest id. A wamid has about 60 characters, and a btree row has room for 2,700 bytes.
const MAX_ID: usize = 512;
/// The longest phone number, with a margin: a phone number has up to 15 digits.
const MAX_DIGITS: usize = 20;
/// The longest user id: a country code, `.ENT.` and up to 128 characters.
const MAX_USER_ID: usize = 160;
/// The smallest number that is read as milliseconds. As seconds it would be after the year 5000.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;
/// The end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;
/// The longest number that fits every column if it has no exponent.
const UNSUSPICIOUS_NUMBER: usize = 32;

impl<'a> Outline<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, NotJson> {
        if u32::try_from(text.len()).is_err() {
            return Err(NotJson);
        }
        // After this line the text is known to be well-formed JSON.
        serde_json::from_str::<&RawValue>(text).map_err(|_| NotJson)?;
        let nodes = Vec::with_capacity(32 + text.len() / 16);
        let mut outline = Self {
            text,
            nodes,
            is_suspicious: false,
        };
        outline.scan();
        Ok(outline)
    }

    pub(super) fn root(&'a self) -> Element<'a> {
        Element { outline: self, at: 0 }
    }

    fn scan(&mut self) {
        let bytes = self.text.as_bytes();
        let mut open: Vec<usize> = Vec::with_capacity(16);
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'{' | b'[' => {
                    open.push(self.nodes.len());
                    self.add(at, at + 1, 1, false);
                    at += 1;
                }
                b'}' | b']' => {
                    at += 1;
                    if let Some(closed) = open.pop() {
                        self.close(closed, at, open.last().copied());
                    }
                }
                b'"' => {
                    let (end, is_escaped) = self.end_of_string(bytes, at);
                    self.add(at, end, 0, is_escaped);
                    at = end;
                }
                b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => at += 1,
                _ => {
                    let end = self.end_of_word(bytes, at);
                    self.add(at, end, 0, false);
                    at = end;
                }
            }
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the text is shorter than u32::MAX bytes"
    )]
    fn add(&mut self, start: usize, end: usize, depth: u32, is_escaped: bool) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node {
            start: start as u32,
            end: end as u32,
            next,
            depth,
            is_escaped,
        });
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the text is shorter than u32::MAX bytes"
    )]
    fn close(&mut self, closed: usize, end: usize, parent: Option<usize>) {
        let next = self.nodes.len() as u32;
        let depth = self.nodes[closed].depth;
        self.nodes[closed].end = end as u32;
        self.nodes[closed].next = next;
        if let Some(parent) = parent {
            let parent = &mut self.nodes[parent];
            parent.depth = parent.depth.max(depth + 1);
        }
    }

    /// The position after the closing quote, and whether the string contains a backslash.
    fn end_of_string(&mut self, bytes: &[u8], start: usize) -> (usize, bool) {
        let mut at = start + 1;
        let mut is_escaped = false;
        loop {
            match bytes.get(at) {
                Some(b'"') => return (at + 1, is_escaped),
                Some(b'\\') => {
                    is_escaped = true;
                    // This matches U+0000 and surrogates (with some neighbours), paired or not.
                    let unit = bytes.get(at + 1..at + 6);
                    self.is_suspicious |= matches!(unit, Some(b"u0000" | [b'u', b'd' | b'D', ..]));
                    at += 2;
                }
                Some(_) => at += 1,
                None => return (bytes.len(), is_escaped),
            }
        }
    }

    /// The position after a number, `true`, `false` or `null`.
    fn end_of_word(&mut self, bytes: &[u8], start: usize) -> usize {
        let rest = &bytes[start..];
        let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let is_number = !rest[0].is_ascii_alphabetic();
        self.is_suspicious |=
            is_number && (length > UNSUSPICIOUS_NUMBER || rest[..length].iter().any(u8::is_ascii_alphabetic));
        start + length
    }
}

impl<'a> Element<'a> {
    fn node(self) -> &'a Node {
        &self.outline.nodes[self.at]
    }

    /// The JSON text of the value.
    pub(super) fn json(self) -> &'a str {
        let node = self.node();
        &self.outline.text[node.start as usize..node.end as usize]
    }

    pub(super) fn raw(self) -> Box<RawValue> {
        // This cannot fail, because the text is well formed. If it did, the text would still be kept.
        serde_json::from_str(self.json()).unwrap_or_else(|_| self.raw_text())
    }

    /// The JSON text of the value, wrapped in a JSON string.
    pub(super) fn raw_text(self) -> Box<RawValue> {
        serde_json::value::to_raw_value(self.json()).unwrap_or_default()
    }

    /// Whether both are the same place of the text.
    pub(super) fn is_same(self, other: Self) -> bool {
        self.at == other.at
    }

    pub(super) fn depth(self) -> usize {
        self.node().depth as usize
    }

    pub(super) fn is_null(self) -> bool {
        self.json() == "null"
    }

    /// Whether it is a list or an object with at least one member.
    pub(super) fn holds_something(self) -> bool {
        self.node().next as usize > self.at + 1
    }

    /// The text of a string or a number; `None` if it is empty.
    pub(super) fn text(self) -> Option<String> {
        let json = self.json();
        match json.as_bytes().first()? {
            b'"' => self.string().map(Cow::into_owned).filter(|text| !text.is_empty()),
            b'-' | b'0'..=b'9' => Some(json.to_owned()),
            _ => None,
        }
    }

    /// The decoded content of a JSON string.
    fn string(self) -> Option<Cow<'a, str>> {
        let json = self.json();
        if self.node().is_escaped {
            return serde_json::from_str(json).ok().map(Cow::Owned);
        }
        json.strip_prefix('"')?.strip_suffix('"').map(Cow::Borrowed)
    }

    pub(super) fn object(self) -> Option<Object<'a>> {
        self.json().starts_with('{').then_some(Object(self))
    }

    pub(super) fn list(self) -> Option<impl Iterator<Item = Element<'a>>> {
        self.json().starts_with('[').then(|| self.children())
    }

    /// The values of a list, or the names and values of an object in turn.
    fn children(self) -> impl Iterator<Item = Element<'a>> {
        let end = self.node().next as usize;
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            let child = Element {
                outline: self.outline,
                at,
            };
            (at < end).then(|| {
                at = child.node().next as usize;
                child
            })
        })
    }
}

impl<'a> Object<'a> {
    pub(super) fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Element<'a>)> {
        let mut children = self.0.children();
        std::iter::from_fn(move || {
            let name = children.next()?;
            Some((name.string().unwrap_or_default(), children.next()?))
        })
    }

    /// The value of a member. `null` counts as absent.
    pub(super) fn get(self, name: &str) -> Option<Element<'a>> {
        let (_, value) = self.members().filter(|(member, _)| member == name).last()?;
        Some(value).filter(|value| !value.is_null())
    }

    pub(super) fn object(self, name: &str) -> Option<Object<'a>> {
        self.get(name)?.object()
    }

    pub(super) fn list(self, name: &str) -> Option<impl Iterator<Item = Element<'a>>> {
        self.get(name)?.list()
    }

    pub(super) fn text(self, name: &str) -> Option<String> {
        self.get(name)?.text()
    }

    /// An identifier: a text that fits into an index.
    pub(super) fn id(self, name: &str) -> Option<String> {
        self.text(name).filter(|id| id.len() <= MAX_ID)
    }

    /// A phone number in Meta's form: digits only, without a plus.
    pub(super) fn wa_id(self, name: &str) -> Option<String> {
        let id = self.id(name)?;
        let digits = id.strip_prefix('+').unwrap_or(&id);
        let is_number =
            (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.to_owned())
    }

    /// A person's business-scoped id.
    pub(super) fn user_id(self, name: &str) -> Option<String> {
        self.text(name).filter(|id| id.len() <= MAX_USER_ID)
    }

    /// A business-scoped id in Meta's form: a country code, a point, and letters and digits.
    pub(super) fn business_scoped_id(self, name: &str) -> Option<String> {
        self.user_id(name).filter(|id| {
            let parts = id.split_once('.');
            parts.is_some_and(|(country, rest)| {
                country.len() == 2
                    && country.bytes().all(|byte| byte.is_ascii_uppercase())
                    && !rest.is_empty()
                    && rest
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
            })
        })
    }

    /// Whether a member has a text, even one that cannot be read.
    pub(super) fn names(self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// Seconds since 1970, from a string or a number.
    pub(super) fn seconds(self, name: &str) -> Option<i64> {
        let number: i64 = self.text(name)?.parse().ok()?;
        let seconds = if number >= FIRST_MILLISECONDS {
            number / 1000
        } else {
            number
        };
        Some(seconds).filter(|seconds| (1..=LAST_SECOND).contains(seconds))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::{Element, Outline};

    /// The value, rebuilt from the outline alone.
    fn rebuilt(element: Element<'_>) -> Value {
        if let Some(object) = element.object() {
            return object
                .members()
                .map(|(name, value)| (name.into_owned(), rebuilt(value)))
                .collect();
        }
        match element.list() {
            Some(list) => list.map(rebuilt).collect(),
            None => serde_json::from_str(element.json()).unwrap(),
        }
    }

    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|number| Value::from(f64::from(number) / 4.0)),
            any::<String>().prop_map(Value::from),
            r#"[\\"\[\]{},: /u]{0,8}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_outline_contains_the_whole_value(value in any_json(), is_pretty in any::<bool>()) {
            let text = if is_pretty { format!("\n{value:#}\t") } else { value.to_string() };
            let outline = Outline::of(&text).unwrap();
            prop_assert_eq!(rebuilt(outline.root()), value.clone());
            prop_assert_eq!(outline.root().depth(), depth(&value));
            prop_assert_eq!(outline.root().json(), text.trim());
            let raw = outline.root().raw();
            prop_assert_eq!(raw.get(), text.trim());
        }
    }

    #[test]
    fn text_that_postgres_might_refuse_is_detected() {
        for (text, expected) in [
            (r#""\u0000""#, true),
            (r#""\ud83d\ude00""#, true),
            (r#""\uDC00""#, true),
            ("[1e5]", true),
            ("-0.0000000000000000000000000000000001", true),
            (r#""\\u0000""#, false),
            (r#""\u00e4\/\u0040 \n""#, false),
            (r#""\u20ac\/\u1234 \n""#, false),
            (r#"[12345678901234567890,-1.5,true,false,null,"1e5"]"#, false),
        ] {
            assert_eq!(Outline::of(text).unwrap().is_suspicious, expected, "{text}");
        }
    }
}
