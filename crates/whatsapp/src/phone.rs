//! Phone numbers: from the forms in which people write them to WhatsApp's digits.
//!
//! The SQL function `private.phone_key` is the counterpart in the database: it recognises two forms that
//! WhatsApp itself uses for one number. This module is for numbers that people type and upload, not for those
//! in Meta's webhooks: it adds about 3 MB to a function for the world's numbering plans, and the first call
//! takes 80 ms.

use phonenumber::country::Id;
use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, PhoneNumber, Type, parse};

/// The text is not a phone number, or no such number can exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number")]
pub struct NotAPhoneNumber;

/// How digits are read that begin neither with `+` nor with 0. Both meanings are tried; this one goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BareDigits {
    /// A mobile number of the country, without its 0. Spreadsheets drop that 0, so `812…` is more likely a domestic mobile
    /// number than a number in Japan.
    National,
    /// A number with its country code, as programs hand it on.
    International,
}

/// Normalises a phone number to digits with the country code and without `+`: `0812-3456-7890` in `ID`
/// becomes `6281234567890`. `country` is the ISO 3166 code that applies to numbers without a country code.
pub fn wa_id(text: &str, country: &str, bare: BareDigits) -> Result<String, NotAPhoneNumber> {
    let country: Id = country.parse().map_err(|_| NotAPhoneNumber)?;
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let prefix: String = text.chars().take_while(|char| !char.is_ascii_digit()).collect();
    let pluses = |text: &str| text.matches('+').count();
    // A `+` between digits joins two numbers.
    if !text.chars().all(is_part_of_number)
        || pluses(text) > pluses(&prefix)
        || !(6..=17).contains(&digits.len())
    {
        return Err(NotAPhoneNumber);
    }
    let international = (pluses(&prefix) > 0)
        .then_some(&*digits)
        .or_else(|| digits.strip_prefix("00"));
    let national = || valid(&digits, Some(country));
    let number = match international {
        Some(digits) => parse_international(digits),
        None if digits.starts_with('0') => national(),
        None => match bare {
            BareDigits::National => national().filter(is_mobile),
            BareDigits::International => None,
        }
        .or_else(|| parse_international(&digits))
        .or_else(national),
    };
    let number = number.ok_or(NotAPhoneNumber)?;
    let formatted = number.format().mode(Mode::E164).to_string();
    Ok(formatted.trim_start_matches('+').to_owned())
}

fn is_part_of_number(char: char) -> bool {
    char.is_ascii_digit()
        || char.is_whitespace()
        || matches!(char, '+' | '-' | '(' | ')' | '.' | '\u{2010}'..='\u{2015}')
}

/// Reads digits that begin with a country code. Also reads forms that are no longer in use.
fn parse_international(digits: &str) -> Option<PhoneNumber> {
    let plus = |digits: &str| valid(&format!("+{digits}"), None);
    plus(digits).or_else(|| match (digits.get(..2)?, digits.get(2..)?) {
        // Mexican mobile numbers had a 1 after the country code until 2019.
        ("52", national) => plus(&format!("52{}", national.strip_prefix('1')?)),
        // Brazilian mobile numbers had no 9 after the area code until 2016.
        ("55", national) if national.len() == 10 => plus(&format!("55{}9{}", &national[..2], &national[2..])),
        // Argentinian mobile numbers have a 15 after the area code when dialled at home, and a 9 before it
        // when dialled from abroad.
        ("54", national) => argentinian(national.strip_prefix('9').unwrap_or(national)),
        _ => None,
    })
}

fn argentinian(national: &str) -> Option<PhoneNumber> {
    [2, 3, 4].into_iter().find_map(|length| {
        let (area, rest) = national.split_at_checked(length)?;
        let local = rest.strip_prefix("15")?;
        valid(&format!("+549{area}{local}"), None)
    })
}

fn is_mobile(number: &PhoneNumber) -> bool {
    matches!(
        number.number_type(&DATABASE),
        Type::Mobile | Type::FixedLineOrMobile
    )
}

fn valid(text: &str, country: Option<Id>) -> Option<PhoneNumber> {
    parse(country, text).ok().filter(phonenumber::is_valid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BareDigits, NotAPhoneNumber};

    fn wa_id(text: &str, country: &str) -> Result<String, NotAPhoneNumber> {
        super::wa_id(text, country, BareDigits::National)
    }

    #[test]
    fn numbers_are_normalised_from_all_common_forms() {
        for (text, expected) in [
            ("081234567890", "6281234567890"),
            ("0812-3456-7890", "6281234567890"),
            (" +62 812 3456 7890 ", "6281234567890"),
            ("62 812-3456-7890", "6281234567890"),
            ("0062 812 3456 7890", "6281234567890"),
            ("+62 (0)812 3456 7890", "6281234567890"),
            ("81234567890", "6281234567890"),
            ("+55 11 98765-4321", "5511987654321"),
            ("551187654321", "5511987654321"),
            ("+52 1 55 1234 5678", "525512345678"),
            ("52 55 1234 5678", "525512345678"),
            ("+54 9 11 1234 5678", "5491112345678"),
            ("+54 11 15 1234 5678", "5491112345678"),
            ("+65 8123 4567", "6581234567"),
            ("65 8123 4567", "6581234567"),
            ("021 5678 1234", "622156781234"),
            ("+1 415 555 2671", "14155552671"),
            ("(+62) 812\u{2014}3456\u{2012}7890", "6281234567890"),
        ] {
            assert_eq!(wa_id(text, "ID").as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(wa_id("(11) 98765-4321", "BR").as_deref(), Ok("5511987654321"));
        assert_eq!(wa_id("012-345 6789", "MY").as_deref(), Ok("60123456789"));
    }

    #[test]
    fn text_that_is_not_a_number_is_refused() {
        for text in [
            "",
            "12",
            "halo",
            "0812 3456 7890 ext 5",
            "+62",
            "+999123456789",
            "0000000000",
            "08123456789012345678",
            "+62 812",
            "call 0812-3456-7890",
            "62+81234567890",
            "0812345678+0812345679",
        ] {
            assert_eq!(wa_id(text, "ID"), Err(NotAPhoneNumber), "{text}");
        }
        assert_eq!(wa_id("081234567890", "nowhere"), Err(NotAPhoneNumber));
    }

    #[test]
    fn bare_digits_are_read_by_where_they_come_from() {
        use BareDigits::{International, National};
        for (text, bare, expected) in [
            // Hong Kong's 852, and a prefix of Indonesian mobile numbers
            ("85291234567", International, "85291234567"),
            ("85291234567", National, "6285291234567"),
            ("+85291234567", National, "85291234567"),
            ("6281234567890", International, "6281234567890"),
            ("81234567890123", International, "NotAPhoneNumber"),
            // No country but Indonesia has such a number.
            ("89612345678", International, "6289612345678"),
            ("0852 9123 4567", International, "6285291234567"),
        ] {
            let read = super::wa_id(text, "ID", bare);
            let read = read.unwrap_or_else(|problem| format!("{problem:?}"));
            assert_eq!(read, expected, "{text} {bare:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_normalised_or_refused(text in "\\PC{0,24}|[+0-9 ()-]{0,20}") {
            if let Ok(number) = wa_id(&text, "ID") {
                prop_assert!(number.bytes().all(|byte| byte.is_ascii_digit()));
                // A normalised number is a valid number and normalises to itself.
                prop_assert_eq!(wa_id(&format!("+{number}"), "BR"), Ok(number));
            }
        }
    }
}
