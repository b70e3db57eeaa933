//! WhatsApp's formatting: `*bold*`, `_italic_`, `~struck through~`, ```` ```monospace``` ````.

use serde::Serialize;

const MONOSPACE: &str = "```";

/// A run of characters with the same formatting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The text without its marks.
    pub text: String,
    /// Whether the text is bold: between asterisks.
    #[serde(skip_serializing_if = "is_false")]
    pub bold: bool,
    /// Whether the text is italic: between underscores.
    #[serde(skip_serializing_if = "is_false")]
    pub italic: bool,
    /// Whether the text is struck through: between tildes.
    #[serde(skip_serializing_if = "is_false")]
    pub strikethrough: bool,
    /// Whether the text is monospaced: between three backticks.
    #[serde(skip_serializing_if = "is_false")]
    pub monospace: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Splits a text into runs of the same formatting. A mark that opens at the start of a word and closes at the
/// end of one, on the same line, formats the text between. Other marks are shown as characters. Nothing is
/// formatted within monospace.
pub fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    format(text, &Span::default(), None, &mut spans);
    spans
}

fn format(text: &str, style: &Span, before: Option<char>, spans: &mut Vec<Span>) {
    let mut plain_from = 0;
    let mut at = 0;
    let mut previous = before;
    while let Some(character) = text[at..].chars().next() {
        let rest = &text[at..];
        if !is_word(previous)
            && let Some((inner, length, inner_style)) = formatted_part(rest, style)
        {
            push(spans, style, &text[plain_from..at]);
            if inner_style.monospace {
                push(spans, &inner_style, inner);
            } else {
                format(inner, &inner_style, Some(character), spans);
            }
            at += length;
            plain_from = at;
            previous = Some(character);
            continue;
        }
        at += character.len_utf8();
        previous = Some(character);
    }
    push(spans, style, &text[plain_from..]);
}

/// The part that a mark at the beginning of `rest` formats: the text between the marks, its length with the
/// marks, and the formatting.
fn formatted_part<'t>(rest: &'t str, style: &Span) -> Option<(&'t str, usize, Span)> {
    if let Some(after) = rest.strip_prefix(MONOSPACE) {
        let inner = &after[..after.find(MONOSPACE)?];
        let style = Span {
            monospace: true,
            ..style.clone()
        };
        return (!inner.trim().is_empty()).then_some((inner, inner.len() + 2 * MONOSPACE.len(), style));
    }
    let mark = rest.chars().next().filter(|mark| "*_~".contains(*mark))?;
    let mut inner_style = style.clone();
    let switch = match mark {
        '*' => &mut inner_style.bold,
        '_' => &mut inner_style.italic,
        _ => &mut inner_style.strikethrough,
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
    Some((&inner[..end], end + 2, inner_style))
}

fn is_word(character: Option<char>) -> bool {
    character.is_some_and(char::is_alphanumeric)
}

fn push(spans: &mut Vec<Span>, style: &Span, text: &str) {
    if text.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some(last) if same_style(last, style) => last.text.push_str(text),
        _ => spans.push(Span {
            text: text.to_owned(),
            ..style.clone()
        }),
    }
}

fn same_style(one: &Span, other: &Span) -> bool {
    (one.bold, one.italic, one.strikethrough, one.monospace)
        == (other.bold, other.italic, other.strikethrough, other.monospace)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Span, spans};

    /// The runs, each with the initials of its formatting in front.
    fn shown(text: &str) -> Vec<String> {
        let one = |span: Span| {
            let mut style = String::new();
            for (is, letter) in [
                (span.bold, 'b'),
                (span.italic, 'i'),
                (span.strikethrough, 's'),
                (span.monospace, 'm'),
            ] {
                if is {
                    style.push(letter);
                }
            }
            format!("{style}:{}", span.text)
        };
        spans(text).into_iter().map(one).collect()
    }

    #[test]
    fn marks_at_word_edges_format() {
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
    fn other_marks_are_shown_as_text() {
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
        fn only_marks_are_removed(text in "[a-c *_~`\n]{0,24}") {
            let without_marks = |text: &str| text.replace(['*', '_', '~', '`'], "");
            let whole: String = spans(&text).into_iter().map(|span| span.text).collect();
            prop_assert_eq!(without_marks(&whole), without_marks(&text));
        }
    }
}
