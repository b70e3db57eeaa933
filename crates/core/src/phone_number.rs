//! Phone numbers as people and their spreadsheets write them.

use crate::text::Text;

/// The country whose numbers are written without a country code where nothing else is said.
pub(crate) const DEFAULT_COUNTRY_CODE: &str = "62";

/// Why something is no phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PhoneProblem {
    Missing,
    NotANumber,
    /// A spreadsheet has shown it as `6.28E+12`: its last digits are gone.
    Rounded,
    WrongLength,
    /// A local number, and the country is not known.
    NoCountryCode,
}

impl PhoneProblem {
    /// What programs decide on.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Missing => "phone_missing",
            Self::NotANumber => "phone_invalid",
            Self::Rounded => "phone_rounded",
            Self::WrongLength => "phone_length",
            Self::NoCountryCode => "phone_country_code",
        }
    }

    /// The problem behind a code.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        [
            Self::Missing,
            Self::NotANumber,
            Self::Rounded,
            Self::WrongLength,
            Self::NoCountryCode,
        ]
        .into_iter()
        .find(|problem| problem.code() == code)
    }

    /// For people.
    pub(crate) fn text(self) -> Text {
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
            Self::NoCountryCode => Text::new(
                "must begin with the country code, for example 62 instead of 0",
                "harus diawali kode negara, misalnya 62 sebagai ganti 0",
            ),
        }
    }
}

/// A phone number as WhatsApp writes it: digits with the country code. Numbers without one are of the country with the
/// code `country`; without `country` they are refused.
pub(crate) fn read(written: &str, country: Option<&str>) -> Result<String, PhoneProblem> {
    // Spreadsheets mark a number that is meant as text with an apostrophe.
    let written = written.trim().trim_start_matches(['\'', '’', '`']).trim_start();
    if written.is_empty() || written.chars().all(|character| character == '-') {
        return Err(PhoneProblem::Missing);
    }
    let expanded = expanded(written)?;
    let (international, digits) = digits_of(expanded.as_deref().unwrap_or(written))?;
    let digits = match digits.strip_prefix("00") {
        Some(rest) => rest.to_owned(),
        None if international => digits,
        None => completed(digits, country)?,
    };
    let digits = without_trunk_prefix(digits, country);
    if digits.starts_with('0') {
        return Err(PhoneProblem::NoCountryCode);
    }
    let shortest = if digits.starts_with(DEFAULT_COUNTRY_CODE) {
        10
    } else {
        8
    };
    if !(shortest..=15).contains(&digits.len()) {
        return Err(PhoneProblem::WrongLength);
    }
    Ok(digits)
}

/// The digits, and whether they were marked as beginning with a country code.
fn digits_of(written: &str) -> Result<(bool, String), PhoneProblem> {
    let mut digits = String::with_capacity(15);
    let mut international = false;
    for character in written.chars() {
        match character {
            '0'..='9' => digits.push(character),
            '+' if digits.is_empty() && !international => international = true,
            '-' | '.' | '(' | ')' | '\u{2010}'..='\u{2015}' => {}
            space if space.is_whitespace() => {}
            _ => return Err(PhoneProblem::NotANumber),
        }
    }
    if digits.is_empty() {
        Err(PhoneProblem::NotANumber)
    } else {
        Ok((international, digits))
    }
}

/// A local number with its country code.
fn completed(digits: String, country: Option<&str>) -> Result<String, PhoneProblem> {
    match (digits.strip_prefix('0'), country) {
        (Some(rest), Some(country)) => Ok(format!("{country}{rest}")),
        (Some(_), None) => Err(PhoneProblem::NoCountryCode),
        // A mobile number whose zero a spreadsheet has dropped: `812…` for `0812…`.
        (None, Some("62")) if digits.starts_with('8') && (9..=12).contains(&digits.len()) => {
            Ok(format!("62{digits}"))
        }
        (None, _) => Ok(digits),
    }
}

/// `+62 (0)812` and `620812` for `62812`: no Indonesian number begins with a zero after its country code.
fn without_trunk_prefix(digits: String, country: Option<&str>) -> String {
    let code = country.unwrap_or(DEFAULT_COUNTRY_CODE);
    match digits.strip_prefix(code).and_then(|rest| rest.strip_prefix('0')) {
        Some(rest) if code == DEFAULT_COUNTRY_CODE => format!("{code}{rest}"),
        _ => digits,
    }
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
    let exponent: usize = exponent
        .trim_start_matches('+')
        .parse()
        .map_err(|_| PhoneProblem::NotANumber)?;
    let (whole, decimals) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('+');
    let digits = whole.len() + decimals.len();
    let is_number =
        whole.len() == 1 && (whole.bytes().chain(decimals.bytes())).all(|byte| byte.is_ascii_digit());
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
    fn one_number_however_it_is_written() {
        for written in [
            "6281234567890",
            "+6281234567890",
            " +62 812-3456-7890 ",
            "(+62) 812.3456.7890",
            "+62 (0) 812 3456 7890",
            "620812 3456 7890",
            "0062 812 3456 7890",
            "0812\u{a0}3456\u{2011}7890",
            "'081234567890",
            "81234567890",
            "812-3456-7890",
            "6.28123456789E+12",
            "6,28123456789E12",
            "6281234567890.0",
            "6,281,234,567,890",
            "6.281.234.567.890",
        ] {
            assert_eq!(
                read(written, Some("62")).as_deref(),
                Ok("6281234567890"),
                "{written}"
            );
        }
    }

    #[test]
    fn what_is_no_number_says_why() {
        for (written, problem) in [
            ("", PhoneProblem::Missing),
            (" - ", PhoneProblem::Missing),
            ("'", PhoneProblem::Missing),
            ("Ani", PhoneProblem::NotANumber),
            ("62812x345678", PhoneProblem::NotANumber),
            ("0812345678/0813456789", PhoneProblem::NotANumber),
            ("0812345678, 0813456789", PhoneProblem::NotANumber),
            ("62+812345678", PhoneProblem::NotANumber),
            ("++62812345678", PhoneProblem::NotANumber),
            ("ext", PhoneProblem::NotANumber),
            ("6289xxxxxxxxx", PhoneProblem::NotANumber),
            ("1E+99999999999999999999999", PhoneProblem::NotANumber),
            ("6.28E+12", PhoneProblem::Rounded),
            ("6,28123E+12", PhoneProblem::Rounded),
            ("0812", PhoneProblem::WrongLength),
            ("1234567", PhoneProblem::WrongLength),
            ("1234567890123456", PhoneProblem::WrongLength),
            ("+0812345678", PhoneProblem::NoCountryCode),
            ("000812345678", PhoneProblem::NoCountryCode),
        ] {
            assert_eq!(read(written, Some("62")), Err(problem), "{written}");
        }
    }

    #[test]
    fn numbers_of_other_countries_stay_as_they_are() {
        for (written, number) in [
            ("+65 8123 4567", "6581234567"),
            ("+1 (415) 555-0100", "14155550100"),
            ("+81 90 1234 5678", "819012345678"),
        ] {
            assert_eq!(read(written, Some("62")).as_deref(), Ok(number));
        }
        assert_eq!(read("0412 345 678", Some("61")).as_deref(), Ok("61412345678"));
        assert_eq!(read("0812 3456 7890", None), Err(PhoneProblem::NoCountryCode));
        assert_eq!(read("819012345678", None).as_deref(), Ok("819012345678"));
    }

    #[test]
    fn every_problem_is_found_again_by_its_code() {
        for problem in [
            PhoneProblem::Missing,
            PhoneProblem::NotANumber,
            PhoneProblem::Rounded,
            PhoneProblem::WrongLength,
            PhoneProblem::NoCountryCode,
        ] {
            assert_eq!(PhoneProblem::from_code(problem.code()), Some(problem));
        }
    }
}
