//! Reads phone numbers as people, programs and spreadsheets write them. All of the product uses this module.
//!
//! | Written | Read as |
//! |---|---|
//! | `+62 812…`, `0062 812…` | the country code follows |
//! | `0812…` | a number of the country that the request or the file names, otherwise of [`DEFAULT_COUNTRY`] |
//! | `62812…`, `812…` | both meanings are tried; [`read`] and [`read_addressed`] differ in which one comes first |
//!
//! Spaces, dashes, dots, brackets and additions of spreadsheets are ignored. A number that exists in no country is
//! refused.

use whatsapp::phone::{self, BareDigits};

use crm_core::text::Text;

/// The country of numbers without a country code, if the request or the file names none: an ISO 3166 code.
pub const DEFAULT_COUNTRY: &str = "ID";

/// The reason why a text is not a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneProblem {
    /// The cell is empty.
    Missing,
    /// The cell does not hold a number.
    NotANumber,
    /// A spreadsheet has rounded the number to a form such as `6.28E+12`, and its last digits are lost.
    Rounded,
    /// The number has too few or too many digits.
    WrongLength,
    /// The number does not exist in any country.
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

    /// The code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "phone_missing",
            Self::NotANumber => "phone_invalid",
            Self::Rounded => "phone_rounded",
            Self::WrongLength => "phone_length",
            Self::Unknown => "phone_unknown",
        }
    }

    /// The problem with this code.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|problem| problem.code() == code)
    }

    /// The sentence for people.
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
                "does not have the right number of digits for a phone number",
                "jumlah angkanya tidak sesuai dengan nomor telepon",
            ),
            Self::Unknown => Text::new(
                "this number exists in no country: check it, and its country code",
                "tidak ada negara dengan nomor seperti ini: periksa nomor dan kode negaranya",
            ),
        }
    }
}

/// Reads a phone number of a table or a form, and returns it as WhatsApp writes it: digits with the country code.
/// Numbers without a country code are from `country`. Spreadsheets drop a leading 0, so `812…` is a mobile number of
/// `country` if that country has such a number.
pub fn read(written: &str, country: &str) -> Result<String, PhoneProblem> {
    read_as(written, country, BareDigits::National)
}

/// Reads a phone number that a message is addressed to, and returns it as WhatsApp writes it. Numbers that begin with 0
/// are from [`DEFAULT_COUNTRY`]. Programs send WhatsApp's own form, so `852…` is a number of Hong Kong and not an
/// Indonesian mobile number without its 0.
pub fn read_addressed(written: &str) -> Result<String, PhoneProblem> {
    read_as(written, DEFAULT_COUNTRY, BareDigits::International)
}

fn read_as(written: &str, country: &str, bare: BareDigits) -> Result<String, PhoneProblem> {
    let visible: String = written
        .chars()
        .filter(|character| !is_mark(*character))
        .map(in_ascii)
        .collect();
    // Spreadsheets mark a number as text with an apostrophe.
    let written = visible.trim().trim_start_matches(['\'', '’', '`']).trim_start();
    if written.is_empty() || written.chars().all(|character| character == '-') {
        return Err(PhoneProblem::Missing);
    }
    let expanded = expanded(written)?;
    let number = expanded.as_deref().unwrap_or(written);
    phone::wa_id(number, country, bare).map_err(|_| problem_of(number))
}

/// Whether it is an invisible mark of text direction. Address books put such marks around numbers.
fn is_mark(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
    )
}

/// Zeros of the scripts in which people write numbers. The other digits follow each of them.
const ZEROS: [char; 16] = [
    '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}', '\u{c66}',
    '\u{e50}', '\u{ed0}', '\u{1040}', '\u{17e0}', '\u{1b50}', '\u{a9d0}', '\u{ff10}',
];

/// Digits and signs of other scripts, and full-width ones, as ASCII.
fn in_ascii(character: char) -> char {
    let digit = ZEROS.iter().find_map(|zero| {
        u32::from(character)
            .checked_sub(u32::from(*zero))
            .filter(|digit| *digit < 10)
    });
    match (digit.and_then(|digit| char::from_digit(digit, 10)), character) {
        (Some(digit), _) => digit,
        (None, '\u{ff0b}') => '+',
        (None, '\u{ff0d}' | '\u{2212}') => '-',
        (None, '\u{ff08}') => '(',
        (None, '\u{ff09}') => ')',
        (None, '\u{ff0e}') => '.',
        (None, other) => other,
    }
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

/// Whether one cell holds two numbers.
fn has_plus_behind_digit(number: &str) -> bool {
    number
        .trim_start_matches(|character: char| !character.is_ascii_digit())
        .contains('+')
}

/// Restores a number that a spreadsheet has changed: `6.281234567890E+12`, `6281234567890.0`, `6,281,234,567,890`.
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
    // Programs write all digits except zeros at the end; Excel shows six.
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
            "０８１２－３４５６－７８９０",
            "＋６２ ８１２ ３４５６ ７８９０",
            "+٦٢ ٨١٢ ٣٤٥٦ ٧٨٩٠",
            "۰۸۱۲۳۴۵۶۷۸۹۰",
            "+62\u{ad}812\u{61c}3456\u{fe0f}7890",
        ] {
            assert_eq!(read(written, "ID").as_deref(), Ok("6281234567890"), "{written}");
        }
        assert_eq!(read("0412 345 678", "AU").as_deref(), Ok("61412345678"));
    }

    #[test]
    fn one_number_from_every_kind_of_source() {
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
        for (written, wa_id) in [
            ("+55 11 8962-3736", "5511989623736"),
            ("+55 11 9 8962-3736", "5511989623736"),
            ("+52 1 55 1234 5678", "525512345678"),
            ("+54 11 15 2345-6789", "5491123456789"),
        ] {
            assert_eq!(read_addressed(written).as_deref(), Ok(wa_id), "{written}");
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
    fn a_refused_number_has_a_reason() {
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
    fn every_problem_has_its_own_code() {
        for problem in PhoneProblem::ALL {
            assert_eq!(PhoneProblem::from_code(problem.code()), Some(problem));
        }
    }
}
