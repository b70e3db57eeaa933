//! The country of phone numbers without a country code.

use crate::phone_number::{self, DEFAULT_COUNTRY};
use crm_core::error::ApiError;
use crm_core::text::Text;

/// The `country` of a request as an ISO 3166 code in capitals. Left out or blank, it is [`DEFAULT_COUNTRY`].
pub fn checked_country(code: Option<&str>) -> Result<String, ApiError> {
    let code = code.map(str::trim).filter(|code| !code.is_empty());
    let code = code.unwrap_or(DEFAULT_COUNTRY).to_ascii_uppercase();
    // The numbering plans know all country codes: a valid international number is accepted for every known one.
    if phone_number::read("+6281234567890", &code).is_ok() {
        return Ok(code);
    }
    let problem = Text::new(
        "must be a country code such as ID",
        "harus berupa kode negara, misalnya ID",
    );
    Err(ApiError::field("country", problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_known_by_their_codes() {
        for (code, expected) in [
            (None, Some("ID")),
            (Some(" "), Some("ID")),
            (Some("my "), Some("MY")),
            (Some("Indonesia"), None),
            (Some("XX"), None),
        ] {
            assert_eq!(checked_country(code).ok().as_deref(), expected, "{code:?}");
        }
    }
}
