//! WhatsApp's formatting: `*bold*`, `_italic_`, `~struck through~`, ```` ```monospace``` ````.

use serde::Serialize;

const MONOSPACE: &str = "```";

/// A run of characters of one look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Without the marks.
    pub text: String,
    /// Between asterisks.
    #[serde(skip_serializing_if = "is_false")]
    pub bold: bool,
    /// Between underscores.
    #[serde(skip_serializing_if = "is_false")]
    pub italic: bool,
    /// Between tildes.
    #[serde(skip_serializing_if = "is_false")]
    pub strikethrough: bool,
    /// Between three backticks.
    #[serde(skip_serializing_if = "is_false")]
    pub monospace: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The runs a text is shown as. A mark that opens at the edge of a word and closes at one formats what is between, within
/// one line; every other one is shown. Nothing is formatted within monospace.
pub fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    format(text, &Span::default(), None, &mut spans);
    spans
}

fn format(text: &str, look: &Span, before: Option<char>, spans: &mut Vec<Span>) {
    let mut plain_from = 0;
    let mut at = 0;
    let mut previous = before;
    while let Some(character) = text[at..].chars().next() {
        let rest = &text[at..];
        if !is_word(previous)
            && let Some((inner, length, inner_look)) = opened(rest, look)
        {
            push(spans, look, &text[plain_from..at]);
            if inner_look.monospace {
                push(spans, &inner_look, inner);
            } else {
                format(inner, &inner_look, Some(character), spans);
            }
            at += length;
            plain_from = at;
            previous = Some(character);
            continue;
        }
        at += character.len_utf8();
        previous = Some(character);
    }
    push(spans, look, &text[plain_from..]);
}

/// What a mark at the beginning of `rest` formats: the text between, how much it takes with its marks, and its look.
fn opened<'t>(rest: &'t str, look: &Span) -> Option<(&'t str, usize, Span)> {
    if let Some(after) = rest.strip_prefix(MONOSPACE) {
        let inner = &after[..after.find(MONOSPACE)?];
        let look = Span {
            monospace: true,
            ..look.clone()
        };
        return (!inner.trim().is_empty()).then_some((inner, inner.len() + 2 * MONOSPACE.len(), look));
    }
    let mark = rest.chars().next().filter(|mark| "*_~".contains(*mark))?;
    let mut inner_look = look.clone();
    let switch = match mark {
        '*' => &mut inner_look.bold,
        '_' => &mut inner_look.italic,
        _ => &mut inner_look.strikethrough,
    };
    if std::mem::replace(switch, true) {
        return None;
    }
    let inner = &rest[1..];
    if inner.starts_with(char::is_whitespace) {
        return None;
    }
    let line = inner.split('\n').next().unwrap_or_default();
    let closes = |(end, _): &(usize, &str)| {
        let before = line[..*end].chars().next_back();
        let after = line[*end + 1..].chars().next();
        before.is_some_and(|last| !last.is_whitespace() && last != mark) && !is_word(after)
    };
    let (end, _) = line.match_indices(mark).find(closes)?;
    Some((&inner[..end], end + 2, inner_look))
}

fn is_word(character: Option<char>) -> bool {
    character.is_some_and(char::is_alphanumeric)
}

fn push(spans: &mut Vec<Span>, look: &Span, text: &str) {
    if text.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some(last) if same_look(last, look) => last.text.push_str(text),
        _ => spans.push(Span {
            text: text.to_owned(),
            ..look.clone()
        }),
    }
}

fn same_look(one: &Span, other: &Span) -> bool {
    (one.bold, one.italic, one.strikethrough, one.monospace)
        == (other.bold, other.italic, other.strikethrough, other.monospace)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Span, spans};

    /// Each run with the first letters of its look before it.
    fn shown(text: &str) -> Vec<String> {
        let one = |span: Span| {
            let mut look = String::new();
            for (is, letter) in [
                (span.bold, 'b'),
                (span.italic, 'i'),
                (span.strikethrough, 's'),
                (span.monospace, 'm'),
            ] {
                if is {
                    look.push(letter);
                }
            }
            format!("{look}:{}", span.text)
        };
        spans(text).into_iter().map(one).collect()
    }

    #[test]
    fn marks_at_the_edges_of_words_format() {
        assert_eq!(
            shown("Halo *Rina*, apa kabar?"),
            [":Halo ", "b:Rina", ":, apa kabar?"]
        );
        assert_eq!(
            shown("_a b_ ~c~ ```d *e*```"),
            ["i:a b", ": ", "s:c", ": ", "m:d *e*"]
        );
        assert_eq!(shown("*bold _and italic_*"), ["b:bold ", "bi:and italic"]);
        assert_eq!(shown("(*yes*)"), [":(", "b:yes", ":)"]);
        assert_eq!(
            shown("*Diskon 20%*\n*Hari ini*"),
            ["b:Diskon 20%", ":\n", "b:Hari ini"]
        );
    }

    #[test]
    fn other_marks_are_shown() {
        for text in [
            "2 * 3 * 4",
            "snake_case_name",
            "a*b*c",
            "* not bold*",
            "*not bold *",
            "*over\nlines*",
            "**",
            "``````",
            "*alone",
            "",
        ] {
            let expected: Vec<String> = (!text.is_empty())
                .then(|| format!(":{text}"))
                .into_iter()
                .collect();
            assert_eq!(shown(text), expected);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_but_marks(text in "[a-c *_~`\n]{0,24}") {
            let without_marks = |text: &str| text.replace(['*', '_', '~', '`'], "");
            let whole: String = spans(&text).into_iter().map(|span| span.text).collect();
            prop_assert_eq!(without_marks(&whole), without_marks(&text));
        }
    }
}
