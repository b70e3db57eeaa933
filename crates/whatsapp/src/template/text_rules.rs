//! Meta's rules for texts with variables.

use super::definition::length;
use super::draft_problem::Fault;
use super::limits::LIMITS;
use super::placeholder::{Piece, is_positional, names, split};

pub(super) fn is_one_line(text: &str) -> bool {
    !text.contains(['\n', '\r'])
}

/// The problems of a text apart from its variables.
pub(super) fn text_faults(text: &str, longest: usize, one_line: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    if text.trim().is_empty() {
        faults.push(Fault::Required);
    }
    if length(text) > longest {
        faults.push(Fault::TooLong(longest));
    }
    if one_line && !is_one_line(text) {
        faults.push(Fault::LineBreak);
    }
    faults
}

/// The problem of the numbers or names of a text's variables.
pub(super) fn variable_faults(names: &[String]) -> Option<Fault> {
    let is_number = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    if is_positional(names) {
        let counts = names
            .iter()
            .enumerate()
            .all(|(at, name)| *name == (at + 1).to_string());
        return (!counts).then_some(Fault::Sequence);
    }
    if names.iter().any(is_number) {
        return Some(Fault::Mixed);
    }
    let well_formed = |name: &String| {
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    (!names.iter().all(well_formed)).then_some(Fault::VariableName)
}

/// Whether texts that belong together either number all their variables or name all of them.
pub(super) fn use_one_kind_of_names(texts: [&String; 2]) -> bool {
    let mut kinds = texts
        .into_iter()
        .map(|text| names(&split(text)))
        .filter(|names| !names.is_empty())
        .map(|names| is_positional(&names));
    kinds
        .next()
        .is_none_or(|first| kinds.all(|positional| positional == first))
}

/// The problems of the position and the number of a body's variables.
pub(super) fn body_faults(body: &str) -> Vec<Fault> {
    let pieces = split(body.trim());
    let is_variable = |piece: Option<&Piece>| matches!(piece, Some(Piece::Placeholder(_)));
    let mut faults = Vec::new();
    if is_variable(pieces.first()) || is_variable(pieces.last()) {
        faults.push(Fault::VariableAtEdge);
    }
    let touching = |pair: &[Piece]| is_variable(pair.first()) && is_variable(pair.get(1));
    let spaced = |three: &[Piece]| {
        is_variable(three.first())
            && is_variable(three.get(2))
            && matches!(three.get(1), Some(Piece::Text(text)) if text.trim().is_empty())
    };
    if pieces.windows(2).any(touching) || pieces.windows(3).any(spaced) {
        faults.push(Fault::Adjacent);
    }
    let variables = names(&pieces).len();
    let words = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.split_whitespace().filter(|word| is_word(word)).count(),
        Piece::Placeholder(_) => 0,
    });
    let needed = LIMITS.words_per_variable * variables + 1;
    if variables > 0 && words.sum::<usize>() + variables < needed {
        faults.push(Fault::TooFewWords(needed));
    }
    faults
}

/// Whether the text contains a word. A comma after a variable is not one.
fn is_word(text: &str) -> bool {
    !text.bytes().all(|byte| byte.is_ascii_punctuation())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_need_words_around_them() {
        for (body, expected) in [
            ("Halo {{1}}, pesanan {{2}} sudah siap diambil di toko.", vec![]),
            ("Hello there", vec![]),
            ("{{1}} is your table for tonight", vec![Fault::VariableAtEdge]),
            ("Your table for tonight is {{1}}\n", vec![Fault::VariableAtEdge]),
            (
                "Hello to you {{1}} {{2}} from all of us at the shop",
                vec![Fault::Adjacent],
            ),
            (
                "Hello to you {{1}}{{2}} from all of us at the shop",
                vec![Fault::Adjacent],
            ),
            ("Hi {{1}}!", vec![Fault::TooFewWords(4)]),
            ("Hi {{1}}, how are you?", vec![]),
            ("Hi {{1}} , {{2}} : ok then.", vec![Fault::TooFewWords(7)]),
        ] {
            assert_eq!(body_faults(body), expected, "{body}");
        }
    }

    #[test]
    fn variable_numbers_are_consecutive_and_names_are_plain() {
        let fault =
            |names: &[&str]| variable_faults(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(fault(&["1", "2", "3"]), None);
        assert_eq!(fault(&["1", "3"]), Some(Fault::Sequence));
        assert_eq!(fault(&["0"]), Some(Fault::Sequence));
        assert_eq!(fault(&["01"]), Some(Fault::Sequence));
        assert_eq!(fault(&["first_name", "order_2"]), None);
        assert_eq!(fault(&["First"]), Some(Fault::VariableName));
        assert_eq!(fault(&["_name"]), Some(Fault::VariableName));
        assert_eq!(fault(&["1", "name"]), Some(Fault::Mixed));
        let texts = ["Order {{1}}".to_owned(), "Hi {{name}}, it left".to_owned()];
        assert!(!use_one_kind_of_names([&texts[0], &texts[1]]));
    }
}
