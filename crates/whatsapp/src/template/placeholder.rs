//! Placeholders within texts: `{{1}}` and `{{name}}`.

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Placeholder(String),
}

/// Splits a text at its placeholders. Braces that hold no valid name remain text.
pub(super) fn split(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        plain.push_str(before);
        match after.split_once("}}") {
            Some((name, behind)) if is_name(name.trim()) => {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Placeholder(name.trim().to_owned()));
                rest = behind;
            }
            _ => {
                // Continue one brace further, so that `{{{1}}` is read as well.
                plain.push('{');
                rest = &rest[before.len() + 1..];
            }
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

/// The distinct names in a text: numbers in ascending order, names in order of appearance.
pub(super) fn names(pieces: &[Piece]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for piece in pieces {
        if let Piece::Placeholder(name) = piece
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    if is_positional(&names) {
        names.sort_by_key(|name| name.parse::<u32>().unwrap_or(u32::MAX));
    }
    names
}

pub(super) fn is_positional(names: &[String]) -> bool {
    names
        .iter()
        .all(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Piece, names, split};

    fn of(text: &str) -> Vec<String> {
        names(&split(text))
    }

    #[test]
    fn placeholders_are_found_in_order_and_once() {
        assert_eq!(of("Hi {{1}}, order {{2}} for {{1}}"), ["1", "2"]);
        assert_eq!(of("{{10}} {{9}} {{1}}"), ["1", "9", "10"]);
        assert_eq!(of("{{ name }} {{city}} {{area_2}}"), ["name", "city", "area_2"]);
        assert_eq!(of("{{{1}}}"), ["1"]);
    }

    #[test]
    fn braces_without_a_name_are_text() {
        for text in ["", "{", "{{", "{{}}", "{{ }}", "{{a b}}", "{1}", "}}{{", "{{{{"] {
            assert!(of(text).is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_make_up_the_text(text in "[{}a1 é]{0,20}") {
            let pieces = split(&text);
            let whole: String = pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Placeholder(name) => format!("{{{{{name}}}}}"),
                })
                .collect();
            prop_assert_eq!(whole.replace(' ', ""), text.replace(' ', ""));
        }
    }
}
