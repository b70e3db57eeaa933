//! What is wrong with a field, in words for people. The readers of JSON, times and ids report it in words of their own.

use crate::text::Text;

/// The problem that a reader reported, in both languages and without the names of our types. A sentence of our own stays
/// as it is in English.
pub(crate) fn in_plain_words(problem: &str) -> Text {
    if let Some(words) = problem.strip_prefix("unknown variant `") {
        let known = quoted(words.split_once("`, expected ").map_or("", |(_, known)| known));
        return Text::new(
            format!("must be one of {}", known.join(", ")),
            format!("harus salah satu dari {}", known.join(", ")),
        );
    }
    if problem.starts_with("duplicate field") {
        return Text::new("is given twice", "diisi dua kali");
    }
    if problem.contains("UUID") || problem.contains("hyphenated") {
        return Text::new("must be an id (a UUID)", "harus berupa id (UUID)");
    }
    if TIME_PROBLEMS.contains(&problem) || problem.contains("RFC 3339") {
        return Text::new(
            "must be a time with its zone, such as 2027-01-31T09:00:00+07:00",
            "harus berupa waktu dengan zonanya, misalnya 2027-01-31T09:00:00+07:00",
        );
    }
    if let Some((_, wanted)) = problem.split_once("expected ") {
        let (english, indonesian) = kind(wanted);
        return Text::new(format!("must be {english}"), format!("harus berupa {indonesian}"));
    }
    for (english, indonesian) in OUR_SENTENCES {
        if let Some(rest) = problem.strip_prefix(english) {
            let rest = rest.replace(" to ", " sampai ");
            return Text::new(problem.to_owned(), format!("{indonesian}{rest}"));
        }
    }
    if problem.starts_with("must ") || problem.starts_with("is one of ") {
        return Text::new(problem.to_owned(), "tidak valid");
    }
    Text::new("is not valid", "tidak valid")
}

/// The sentences of the reader of times.
const TIME_PROBLEMS: &[&str] = &[
    "premature end of input",
    "input contains invalid characters",
    "input is out of range",
    "trailing input",
    "no possible date and time matching input",
];

/// The beginnings of our own sentences about a single value.
const OUR_SENTENCES: &[(&str, &str)] = &[
    ("must be true or false", "harus true atau false"),
    ("must be a number from ", "harus berupa angka dari "),
    ("must be a decimal number", "harus berupa angka desimal"),
    ("must be a number", "harus berupa angka"),
    ("must be a phone number", "harus berupa nomor telepon"),
    (
        "must be ids, with commas between them",
        "harus berupa id yang dipisahkan koma",
    ),
    ("must be a next_cursor", "harus berupa next_cursor"),
    (
        "variables are a list or a map of texts",
        "variabel berupa daftar atau peta teks",
    ),
];

fn quoted(list: &str) -> Vec<&str> {
    list.split('`').skip(1).step_by(2).collect()
}

/// What a reader expected, as a person says it.
fn kind(wanted: &str) -> (&'static str, &'static str) {
    let wanted = wanted.trim_start_matches("a ").trim_start_matches("an ");
    let starts = |words: &[&str]| words.iter().any(|word| wanted.starts_with(word));
    if starts(&["string", "borrowed string", "character"]) {
        ("a text", "teks")
    } else if starts(&["boolean"]) {
        ("true or false", "true atau false")
    } else if starts(&["u8", "u16", "u32", "u64", "usize", "nonzero"]) {
        (
            "a whole number, not negative",
            "bilangan bulat yang tidak negatif",
        )
    } else if starts(&["i8", "i16", "i32", "i64", "isize"]) {
        ("a whole number", "bilangan bulat")
    } else if starts(&["f32", "f64", "number"]) {
        ("a number", "angka")
    } else if starts(&["sequence", "array", "list", "tuple"]) {
        ("a list", "daftar")
    } else if starts(&[
        "struct",
        "map",
        "internally tagged enum",
        "adjacently tagged enum",
    ]) {
        ("an object", "objek")
    } else if starts(&["formatted date", "RFC 3339"]) {
        (
            "a time with its zone, such as 2027-01-31T09:00:00+07:00",
            "waktu dengan zonanya, misalnya 2027-01-31T09:00:00+07:00",
        )
    } else {
        ("a value of another type", "nilai dengan tipe lain")
    }
}

#[cfg(test)]
mod tests {
    use super::in_plain_words;
    use crate::text::Language;

    #[test]
    fn a_reader_is_never_quoted_and_both_languages_say_the_same() {
        for (problem, english, indonesian) in [
            (
                "premature end of input",
                "must be a time with its zone, such as 2027-01-31T09:00:00+07:00",
                "harus berupa waktu dengan zonanya, misalnya 2027-01-31T09:00:00+07:00",
            ),
            (
                "unknown variant `x`, expected `open` or `closed`",
                "must be one of open, closed",
                "harus salah satu dari open, closed",
            ),
            (
                "unknown variant `x`, expected one of `a`, `b`, `c`",
                "must be one of a, b, c",
                "harus salah satu dari a, b, c",
            ),
            (
                "invalid type: integer `3`, expected a string",
                "must be a text",
                "harus berupa teks",
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "must be a whole number, not negative",
                "harus berupa bilangan bulat yang tidak negatif",
            ),
            (
                "invalid type: sequence, expected struct NumberChanges",
                "must be an object",
                "harus berupa objek",
            ),
            (
                "UUID parsing failed: invalid length: expected length 32 for simple format, found 3",
                "must be an id (a UUID)",
                "harus berupa id (UUID)",
            ),
            (
                "must be a number from 1 to 100",
                "must be a number from 1 to 100",
                "harus berupa angka dari 1 sampai 100",
            ),
            (
                "data did not match any variant of untagged enum Body",
                "is not valid",
                "tidak valid",
            ),
        ] {
            let text = in_plain_words(problem);
            assert_eq!(text.in_language(Language::English), english);
            assert_eq!(text.in_language(Language::Indonesian), indonesian);
        }
    }
}
