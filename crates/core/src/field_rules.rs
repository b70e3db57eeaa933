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
    Ok(value.to_owned())
}

/// Checks the form of an e-mail address.
pub fn email(field: &str, value: &str) -> Result<String, ApiError> {
    let value = value.trim().to_lowercase();
    let fits = value.len() <= 320
        && value.is_ascii()
        && !value.contains(|character: char| character.is_whitespace() || character.is_control())
        && value.split_once('@').is_some_and(|(name, domain)| {
            !name.is_empty()
                && domain.split('.').count() > 1
                && domain.split('.').all(|part| !part.is_empty())
        });
    if fits && value.matches('@').count() == 1 {
        return Ok(value);
    }
    Err(ApiError::field(
        field,
        Text::new("must be an e-mail address", "harus berupa alamat e-mail"),
    ))
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
        ] {
            assert!(email("email", wrong).is_err(), "{wrong:?}");
        }
    }
}
