//! Rules for fields that all routes share.

use crate::error::ApiError;
use crate::text::Text;

/// Checks a text of 1 to `longest` characters, and trims it.
pub fn required_text(field: &str, value: &str, longest: usize) -> Result<String, ApiError> {
    let value = optional_text(field, value, longest)?;
    if value.is_empty() {
        return Err(ApiError::field(
            field,
            Text::new("must not be empty", "tidak boleh kosong"),
        ));
    }
    Ok(value)
}

/// Checks a text of at most `longest` characters, and trims it.
pub fn optional_text(field: &str, value: &str, longest: usize) -> Result<String, ApiError> {
    let value = value.trim();
    if value.chars().count() > longest {
        return Err(ApiError::field(
            field,
            Text::new(
                format!("must not exceed {longest} characters"),
                format!("tidak boleh lebih dari {longest} karakter"),
            ),
        ));
    }
    if value.contains(|character: char| character.is_control() && character != '\n') {
        return Err(ApiError::field(
            field,
            Text::new(
                "must not contain control characters",
                "tidak boleh berisi karakter kendali",
            ),
        ));
    }
    if !value.is_empty() && !is_visible(value) {
        return Err(ApiError::field(
            field,
            Text::new(
                "must have a visible character",
                "harus berisi karakter yang terlihat",
            ),
        ));
    }
    Ok(value.to_owned())
}

/// Characters that show nothing: white space, control characters, characters that only direct or join others, and blank
/// letters. `private.is_visible` in the database has the same.
const SHOWS_NOTHING: &[(u32, u32)] = &[
    (0x0001, 0x0020),
    (0x007f, 0x00a0),
    (0x00ad, 0x00ad),
    (0x034f, 0x034f),
    (0x061c, 0x061c),
    (0x115f, 0x1160),
    (0x1680, 0x1680),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x2000, 0x200f),
    (0x2028, 0x202f),
    (0x205f, 0x206f),
    (0x2800, 0x2800),
    (0x3000, 0x3000),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe0fff),
];

fn is_visible(value: &str) -> bool {
    value.chars().any(|character| {
        let code = u32::from(character);
        !SHOWS_NOTHING
            .iter()
            .any(|&(first, last)| (first..=last).contains(&code))
    })
}

/// The longest local part of an address, and the longest address (RFC 5321).
const LONGEST_LOCAL_PART: usize = 64;
const LONGEST_ADDRESS: usize = 254;

/// Checks the form and the length of an e-mail address, and writes it in lower case. `private.email_address` in the
/// database has the same rule. It is stricter than that of Supabase Auth.
pub fn email(field: &str, value: &str) -> Result<String, ApiError> {
    let value = value.trim().to_lowercase();
    let fits = value.len() <= LONGEST_ADDRESS
        && value.split_once('@').is_some_and(|(local_part, domain)| {
            (1..=LONGEST_LOCAL_PART).contains(&local_part.len())
                && local_part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte))
                && domain.contains('.')
                && domain.split('.').all(is_domain_label)
        });
    if fits {
        return Ok(value);
    }
    Err(ApiError::field(
        field,
        Text::new("must be an e-mail address", "harus berupa alamat e-mail"),
    ))
}

fn is_domain_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_trimmed_and_measured_in_characters() {
        assert_eq!(required_text("name", "  Kopi ☕ ", 6).unwrap(), "Kopi ☕");
        for wrong in ["", "   ", "sevenchars", "a\u{0}b"] {
            assert!(required_text("name", wrong, 6).is_err(), "{wrong:?}");
        }
        assert_eq!(optional_text("description", " ", 6).unwrap(), "");
    }

    #[test]
    fn texts_show_something() {
        for unseen in ["\u{200b}", "\u{202e}\u{2066}", "\u{3164} \u{2800}", "\u{e0020}"] {
            assert!(optional_text("name", unseen, 9).is_err(), "{unseen:?}");
            assert!(required_text("name", unseen, 9).is_err(), "{unseen:?}");
        }
        for seen in ["👩\u{200d}🌾", "\u{200f}سارة", "ก\u{200b}ข"] {
            assert_eq!(required_text("name", seen, 9).unwrap(), seen);
        }
    }

    #[test]
    fn the_database_knows_the_same_characters() {
        let foundation = include_str!("../../../supabase/migrations/20261201000100_foundation.sql");
        let letter = |code: u32| match code {
            0..=0xffff => format!("\\u{code:04x}"),
            _ => format!("\\U{code:08x}"),
        };
        let class: String = SHOWS_NOTHING
            .iter()
            .map(|&(first, last)| match first == last {
                true => letter(first),
                false => format!("{}-{}", letter(first), letter(last)),
            })
            .collect();
        assert!(foundation.contains(&format!("words ~ '[^{class}]'")), "{class}");
    }

    #[test]
    fn addresses_have_their_form() {
        assert_eq!(email("email", " Sari@Kopi.test ").unwrap(), "sari@kopi.test");
        for wrong in [
            "",
            "sari",
            "sari@kopi",
            "@kopi.test",
            "sari@.test",
            "a b@kopi.test",
            "a@b@kopi.test",
            "a@kopi..test",
            "a@-kopi.test",
            "sari\u{200b}@kopi.test",
            "sari wulan@kopi.test",
            &format!("{}@kopi.test", "a".repeat(65)),
            &format!("a@{}.test", "k".repeat(64)),
            &format!("sari@{}test", "kopi.".repeat(60)),
        ] {
            assert!(email("email", wrong).is_err(), "{wrong:?}");
        }
    }
}
