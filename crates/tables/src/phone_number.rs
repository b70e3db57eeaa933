//! Phone numbers as people, programs and spreadsheets write them: the one place that reads them.
//!
//! | Written | Read as |
//! |---|---|
//! | `+62 812…`, `0062 812…` | the country code follows |
//! | `0812…` | a number of the country that the request or the file names, otherwise of [`DEFAULT_COUNTRY`] |
//! | `62812…`, `812…` | both meanings are tried; which one goes first is what [`read`] and [`read_addressed`] differ in |
//!
//! Spaces, dashes, dots and brackets do not matter, nor does what spreadsheets add. A number that no country has is refused.

use whatsapp::phone::{self, BareDigits};

use crm_core::text::Text;

/// Where numbers without a country code are from, if nothing else is said: an ISO 3166 code.
pub const DEFAULT_COUNTRY: &str = "ID";

/// Why something is no phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneProblem {
    /// The cell is empty.
    Missing,
    /// The cell holds no number.
    NotANumber,
    /// A spreadsheet has shown it as `6.28E+12`: its last digits are gone.
    Rounded,
    /// The number has too few or too many digits.
    WrongLength,
    /// No country has such a number.
    Unknown,
}

impl PhoneProblem {
    const ALL: [Self; 5] = [
        Self::Missing,
        Self::NotANumber,
        Self::Rounded,
        Self::WrongLength,
        Self::Unknown,
    ];

    /// What programs decide on.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "phone_missing",
            Self::NotANumber => "phone_invalid",
            Self::Rounded => "phone_rounded",
            Self::WrongLength => "phone_length",
            Self::Unknown => "phone_unknown",
        }
    }

    /// The problem behind a code.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|problem| problem.code() == code)
    }

    /// For people.
    pub fn text(self) -> Text {
        match self {
            Self::Missing => Text::new("the phone number is missing", "nomor telepon tidak ada"),
            Self::NotANumber => Text::new(
                "is not a phone number: only digits, `+`, spaces and dashes may occur",
                "bukan nomor telepon: hanya boleh berisi angka, `+`, spasi, dan tanda hubung",
            ),
            Self::Rounded => Text::new(
                "the spreadsheet has shortened the number and its last digits are lost: format the column as text and enter it again",
                "lembar kerja memendekkan nomor ini sehingga angka terakhirnya hilang: ubah format kolom menjadi teks dan isi kembali",
            ),
            Self::WrongLength => Text::new(
                "does not have as many digits as a phone number has",
                "jumlah angkanya tidak sesuai dengan nomor telepon",
            ),
            Self::Unknown => Text::new(
                "no country has a number like this: check it, and its country code",
                "tidak ada negara dengan nomor seperti ini: periksa nomor dan kode negaranya",
            ),
        }
    }
}

/// A phone number of a table or a form, as WhatsApp writes it: digits with the country code. Numbers without one are from
/// `country`. Spreadsheets drop a 0 at the beginning, so `812…` is a mobile number of `country` if it has such a number.
pub fn read(written: &str, country: &str) -> Result<String, PhoneProblem> {
    read_as(written, country, BareDigits::National)
}

/// A phone number that a message is addressed to, as WhatsApp writes it. Numbers that begin with 0 are from
/// [`DEFAULT_COUNTRY`]. Programs hand on WhatsApp's own form, so `852…` is a number of Hong Kong and not an Indonesian
/// mobile number without its 0.
pub fn read_addressed(written: &str) -> Result<String, PhoneProblem> {
    read_as(written, DEFAULT_COUNTRY, BareDigits::International)
}

fn read_as(written: &str, country: &str, bare: BareDigits) -> Result<String, PhoneProblem> {
    let visible: String = written.chars().filter(|character| !is_mark(*character)).collect();
    // Spreadsheets mark a number that is meant as text with an apostrophe.
    let written = visible.trim().trim_start_matches(['\'', '’', '`']).trim_start();
    if written.is_empty() || written.chars().all(|character| character == '-') {
        return Err(PhoneProblem::Missing);
    }
    let expanded = expanded(written)?;
    let number = expanded.as_deref().unwrap_or(written);
    phone::wa_id(number, country, bare).map_err(|_| problem_of(number))
}

/// Address books put marks of direction around numbers, which nobody sees.
fn is_mark(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn problem_of(number: &str) -> PhoneProblem {
    let digits = number.chars().filter(char::is_ascii_digit).count();
    if number.contains(|character: char| {
        !character.is_ascii_digit() && (character.is_alphanumeric() || "/,;=&".contains(character))
    }) || digits == 0
        || has_plus_behind_digit(number)
    {
        PhoneProblem::NotANumber
    } else if (8..=15).contains(&digits) {
        PhoneProblem::Unknown
    } else {
        PhoneProblem::WrongLength
    }
}

/// Two numbers in one cell.
fn has_plus_behind_digit(number: &str) -> bool {
    number
        .trim_start_matches(|character: char| !character.is_ascii_digit())
        .contains('+')
}

/// What a spreadsheet made of a number, undone: `6.281234567890E+12`, `6281234567890.0`, `6,281,234,567,890`.
fn expanded(written: &str) -> Result<Option<String>, PhoneProblem> {
    if let Some((mantissa, exponent)) = written.split_once(['e', 'E']) {
        return scientific(mantissa, exponent).map(Some);
    }
    if let Some(whole) = written.strip_suffix(".0").or_else(|| written.strip_suffix(".00"))
        && whole.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Ok(Some(whole.to_owned()));
    }
    let groups: Vec<&str> = written.split(',').collect();
    if groups.len() > 2
        && groups[1..].iter().all(|group| group.len() == 3)
        && groups
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Ok(Some(groups.concat()));
    }
    Ok(None)
}

fn scientific(mantissa: &str, exponent: &str) -> Result<String, PhoneProblem> {
    let exponent = exponent.trim_start_matches('+').parse::<usize>();
    let exponent = exponent.map_err(|_| PhoneProblem::NotANumber)?;
    let (whole, decimals) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('+');
    let digits = whole.len() + decimals.len();
    let is_number = whole.len() == 1
        && whole
            .bytes()
            .chain(decimals.bytes())
            .all(|byte| byte.is_ascii_digit());
    if !is_number || decimals.len() > exponent || exponent > 20 {
        return Err(PhoneProblem::NotANumber);
    }
    // Programs write all digits but for zeros at the end; Excel shows six.
    if digits < exponent.min(10) {
        return Err(PhoneProblem::Rounded);
    }
    Ok(format!(
        "{whole}{decimals}{}",
        "0".repeat(exponent - decimals.len())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_however_a_spreadsheet_writes_it() {
        for written in [
            "6281234567890",
            "+62 812-3456-7890",
            "0812\u{a0}3456\u{2011}7890",
            "'081234567890",
            "81234567890",
            "6.28123456789E+12",
            "6,28123456789E12",
            "6281234567890.0",
            "6,281,234,567,890",
            "6.281.234.567.890",
            "\u{202a}+62 812\u{2011}3456\u{2011}7890\u{202c}",
            "\u{2066}0812\u{200e}34567890\u{2069}",
        ] {
            assert_eq!(read(written, "ID").as_deref(), Ok("6281234567890"), "{written}");
        }
        assert_eq!(read("0412 345 678", "AU").as_deref(), Ok("61412345678"));
    }

    #[test]
    fn one_number_whoever_gives_it_to_us() {
        for written in [
            "081234567890",
            "0812-3456-7890",
            " (0812) 3456.7890 ",
            "+62 812-3456-7890",
            "+62 (0)812 3456 7890",
            "(+62) 812 3456 7890",
            "0062 812 3456 7890",
            "6281234567890",
            "(62) 812.3456.7890",
            " 62\u{a0}81234567890 ",
        ] {
            assert_eq!(read(written, "ID").as_deref(), Ok("6281234567890"), "{written}");
            assert_eq!(
                read_addressed(written).as_deref(),
                Ok("6281234567890"),
                "{written}"
            );
        }
        assert_eq!(read_addressed("85291234567").as_deref(), Ok("85291234567"));
        assert_eq!(read_addressed("021 5678 1234").as_deref(), Ok("622156781234"));
        for written in [
            "",
            "0812",
            "62812x345",
            "1234567",
            "1234567890123456",
            "62+812345678",
        ] {
            assert!(read(written, "ID").is_err(), "{written}");
            assert!(read_addressed(written).is_err(), "{written}");
        }
    }

    #[test]
    fn what_is_no_number_says_why() {
        for (written, problem) in [
            ("", PhoneProblem::Missing),
            (" - ", PhoneProblem::Missing),
            ("'", PhoneProblem::Missing),
            ("Ani", PhoneProblem::NotANumber),
            ("=cmd", PhoneProblem::NotANumber),
            ("0812345678/0813456789", PhoneProblem::NotANumber),
            ("0812345678, 0813456789", PhoneProblem::NotANumber),
            ("ext", PhoneProblem::NotANumber),
            ("6289xxxxxxxxx", PhoneProblem::NotANumber),
            ("1E+99999999999999999999999", PhoneProblem::NotANumber),
            ("6.28E+12", PhoneProblem::Rounded),
            ("6,28123E+12", PhoneProblem::Rounded),
            ("0812", PhoneProblem::WrongLength),
            ("1234567890123456", PhoneProblem::WrongLength),
            ("+0812345678", PhoneProblem::Unknown),
            ("+999 123456789", PhoneProblem::Unknown),
            ("6281234", PhoneProblem::WrongLength),
            ("62812345", PhoneProblem::Unknown),
        ] {
            assert_eq!(read(written, "ID"), Err(problem), "{written}");
        }
    }

    #[test]
    fn every_problem_is_found_again_by_its_code() {
        for problem in PhoneProblem::ALL {
            assert_eq!(PhoneProblem::from_code(problem.code()), Some(problem));
        }
    }
}
