//! Texts of cells: plain, or in pieces with formats of their own.

use std::borrow::Cow;
use std::io::Read;

use quick_xml::events::Event;

use super::xml::{Xml, attribute, push_text};
use crate::table_file::TableFileError;

/// A text is read until it has this length: the bytes of 32,767 characters, which is Excel's own limit. Pieces that follow
/// are skipped.
const MAX_BYTES: usize = 4 * 32_767;
/// `_x000D_` is a carriage return.
const ESCAPE_LENGTH: usize = 7;

/// Reads the text of the element `closing`, which has begun: of a cell, or of the texts that cells share.
pub(super) fn read<R: Read>(xml: &mut Xml<R>, closing: &str) -> Result<String, TableFileError> {
    let mut text = String::new();
    let mut is_reading_aid = false;
    loop {
        match xml.next()? {
            Event::Start(element) => match element.local_name().as_ref() {
                // How Japanese and Chinese characters are read, which is no part of the text.
                "rPh" => is_reading_aid = true,
                "t" if !is_reading_aid => {
                    let keeps_spaces = attribute(&element, "space")?.as_deref() == Some("preserve");
                    let piece = read_plain(xml, "t")?;
                    let piece = if keeps_spaces {
                        piece.as_str()
                    } else {
                        piece.trim_matches([' ', '\t', '\r', '\n'])
                    };
                    if text.len() <= MAX_BYTES {
                        text.push_str(&unescaped(piece));
                    }
                }
                _ => {}
            },
            Event::End(element) => {
                let name = element.local_name();
                if name.as_ref() == closing {
                    return Ok(text);
                }
                if name.as_ref() == "rPh" {
                    is_reading_aid = false;
                }
            }
            _ => {}
        }
    }
}

/// Reads the text of the element `closing`, which has begun and holds nothing else.
pub(super) fn read_plain<R: Read>(xml: &mut Xml<R>, closing: &str) -> Result<String, TableFileError> {
    let mut text = String::new();
    loop {
        let event = xml.next()?;
        if let Event::End(element) = &event
            && element.local_name().as_ref() == closing
        {
            return Ok(text);
        }
        if text.len() <= MAX_BYTES {
            push_text(&event, &mut text)?;
        }
    }
}

/// The text with the characters that Excel writes as `_xHHHH_`, each a unit of UTF-16.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains("_x") {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("_x") {
        plain.push_str(&rest[..start]);
        rest = &rest[start..];
        let mut units = Vec::new();
        while let Some(unit) = escaped_unit(rest) {
            units.push(unit);
            rest = &rest[ESCAPE_LENGTH..];
        }
        if units.is_empty() {
            plain.push_str("_x");
            rest = &rest[2..];
        } else {
            plain.push_str(&String::from_utf16_lossy(&units));
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

fn escaped_unit(text: &str) -> Option<u16> {
    let escape = text.get(..ESCAPE_LENGTH)?;
    let digits = escape.strip_prefix("_x")?.strip_suffix('_')?;
    let all_are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    all_are_digits
        .then(|| u16::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_units_of_utf_16() {
        for (written, meant) in [
            ("a_x000D_b", "a\rb"),
            ("_x005F_x000D_", "_x000D_"),
            ("_xD83D__xDE00_", "😀"),
            ("_xD83D_!", "\u{fffd}!"),
            ("_x12_x_xZZZZ_ plain", "_x12_x_xZZZZ_ plain"),
            ("_x000é_", "_x000é_"),
        ] {
            assert_eq!(unescaped(written), meant, "{written}");
        }
    }
}
