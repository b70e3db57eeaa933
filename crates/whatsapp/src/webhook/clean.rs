//! Converts webhook bodies into JSON text that Postgres can store.

use std::borrow::Cow;

use super::NotJson;
use super::outline::Outline;

/// The deepest nesting that is accepted: much less than `jsonb` allows and much more than Meta sends.
pub(super) const MAX_DEPTH: usize = 64;
/// The longest number that is kept. Longer numbers, and larger exponents, can exceed the range of `numeric`.
const MAX_NUMBER_LENGTH: usize = 64;
const MAX_EXPONENT_DIGITS: usize = 3;

const REPLACEMENT: &str = "\\ufffd";

/// Converts a webhook body to JSON text that Postgres accepts as `jsonb`. U+0000 is dropped. Lone surrogates
/// and bytes that are not UTF-8 become U+FFFD. Numbers beyond the range of `numeric` become strings. A body
/// that is nested too deeply counts as not JSON.
pub fn storable_json(raw: &[u8]) -> Result<Cow<'_, str>, NotJson> {
    let text = utf8(raw);
    let outline = Outline::of(&text)?;
    if outline.root().depth() > MAX_DEPTH {
        return Err(NotJson);
    }
    let cleaned = if outline.is_suspicious {
        cleaned(&text)
    } else {
        None
    };
    Ok(cleaned.map_or(text, Cow::Owned))
}

pub(super) fn utf8(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(raw),
    }
}

/// Replaces the parts of a well-formed text that Postgres cannot store. `None` if there are none.
pub(super) fn cleaned(text: &str) -> Option<String> {
    let mut scan = Scan {
        text,
        bytes: text.as_bytes(),
        at: 0,
        changed: String::new(),
        copied: 0,
    };
    scan.run();
    scan.finish()
}

/// A single pass over the text that copies only if a part has to change.
struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    changed: String,
    /// The position up to which `changed` holds the text.
    copied: usize,
}

impl Scan<'_> {
    fn run(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => self.string(),
                b'-' | b'0'..=b'9' => self.number(),
                _ => self.at += 1,
            }
        }
    }

    fn finish(mut self) -> Option<String> {
        if self.copied == 0 {
            return None;
        }
        self.changed.push_str(&self.text[self.copied..]);
        Some(self.changed)
    }

    /// Scans a string from its opening quote to after its closing quote.
    fn string(&mut self) {
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' if self.bytes.get(self.at + 1) == Some(&b'u') => self.escape(),
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    /// Scans `\uXXXX`, or a surrogate pair.
    fn escape(&mut self) {
        match self.escaped_unit(self.at) {
            Some(0) => self.replace(6, ""),
            Some(0xd800..=0xdbff) => match self.escaped_unit(self.at + 6) {
                Some(0xdc00..=0xdfff) => self.at += 12,
                _ => self.replace(6, REPLACEMENT),
            },
            Some(0xdc00..=0xdfff) => self.replace(6, REPLACEMENT),
            Some(_) => self.at += 6,
            None => self.at += 2,
        }
    }

    fn escaped_unit(&self, at: usize) -> Option<u32> {
        let [b'\\', b'u', digits @ ..] = self.bytes.get(at..at + 6)? else {
            return None;
        };
        digits.iter().try_fold(0, |unit, digit| {
            Some(unit << 4 | char::from(*digit).to_digit(16)?)
        })
    }

    fn number(&mut self) {
        let rest = &self.bytes[self.at..];
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let exponent = rest[..length].iter().position(|byte| matches!(byte, b'e' | b'E'));
        let exponent_digits = exponent.map_or(0, |at| length - at - 1);
        if length > MAX_NUMBER_LENGTH || exponent_digits > MAX_EXPONENT_DIGITS {
            let number = &self.text[self.at..self.at + length];
            let quoted = format!("\"{number}\"");
            self.replace(length, &quoted);
        } else {
            self.at += length;
        }
    }

    /// Replaces the next `length` bytes, all of them ASCII.
    fn replace(&mut self, length: usize, with: &str) {
        self.changed.push_str(&self.text[self.copied..self.at]);
        self.changed.push_str(with);
        self.at += length;
        self.copied = self.at;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::{NotJson, cleaned, storable_json};

    fn clean(text: &str) -> String {
        storable_json(text.as_bytes()).unwrap().into_owned()
    }

    #[test]
    fn text_that_postgres_cannot_store_is_replaced() {
        assert_eq!(clean(r#"{"a\u0000b":"\u0000x\u0000"}"#), r#"{"ab":"x"}"#);
        assert_eq!(clean(r#""\ud83d""#), r#""\ufffd""#);
        assert_eq!(clean(r#""\ude00\ud83d""#), r#""\ufffd\ufffd""#);
        assert_eq!(clean(r#""\ud83dx\ude00""#), r#""\ufffdx\ufffd""#);
        assert_eq!(clean(r#""\ud83d\u0000\ude00""#), r#""\ufffd\ufffd""#);
        assert_eq!(clean(r#""\uD83D\uD83D\uDE00""#), r#""\ufffd\uD83D\uDE00""#);
        assert_eq!(storable_json(b"\"a\xffb\"").unwrap(), "\"a\u{fffd}b\"");
        assert_eq!(clean("[1e400,-1e-9999]"), r#"[1e400,"-1e-9999"]"#);
        assert_eq!(clean(&"9".repeat(65)), format!("\"{}\"", "9".repeat(65)));
    }

    #[test]
    fn similar_but_storable_text_is_kept() {
        for text in [
            r#""\\u0000""#,
            r#""\\\\ud800""#,
            r#""\ud83d\ude00""#,
            r#""\u00e4\/\u0040""#,
            r#"["1e99999", -1.5E+10, 12345678901234567890]"#,
            r#""\"\u0041""#,
            " null ",
        ] {
            assert_eq!(clean(text), text);
            assert!(matches!(
                storable_json(text.as_bytes()).unwrap(),
                std::borrow::Cow::Borrowed(_)
            ));
        }
    }

    #[test]
    fn invalid_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            r#""\ud8"#,
            r#""\u00zz""#,
            r#"{"a":1} x"#,
            "\"\u{0}\"",
            r#""\"#,
        ] {
            assert_eq!(storable_json(text.as_bytes()), Err(NotJson), "{text:?}");
        }
        let deep = "[".repeat(65) + &"]".repeat(65);
        assert_eq!(storable_json(deep.as_bytes()), Err(NotJson));
        assert!(storable_json(&deep.as_bytes()[1..129]).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_handled(raw in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = storable_json(&raw);
        }

        #[test]
        fn cleaned_text_needs_no_further_cleaning(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "\\u0000", "\\ud83d", "\\ude00", "\\uD800", "\\\\", "\\\"", "u0000", "\\n", "a", "\u{e9}", "\\u00e9",
                ]),
                0..12,
            ),
        ) {
            let text = format!("[\"{}\"]", pieces.concat());
            let text = storable_json(text.as_bytes()).unwrap().into_owned();
            // The result parses without loss, holds no U+0000, and a second pass changes nothing.
            let value: Value = serde_json::from_str(&text).unwrap();
            prop_assert!(!value[0].as_str().unwrap().contains('\0'));
            prop_assert_eq!(cleaned(&text), None);
        }
    }
}
