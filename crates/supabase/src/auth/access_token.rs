//! The access token of a user, kept out of logs.

use std::fmt;

use reqwest::header::HeaderValue;

use super::TokenError;

/// The longest accepted token. Supabase issues shorter ones.
const MAX_LENGTH: usize = 8 * 1024;

/// A received access token, which is well formed but not necessarily genuine. Cheap to clone. `Debug` does
/// not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// `Bearer <token>`
    header: HeaderValue,
}

const SCHEME: &str = "Bearer ";

impl AccessToken {
    /// Parses a token: three parts of base64url characters.
    pub fn parse(token: &str) -> Result<Self, TokenError> {
        let well_formed = token.len() <= MAX_LENGTH
            && token.split('.').count() == 3
            && token
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(is_base64url));
        if !well_formed {
            return Err(TokenError::Malformed);
        }
        let mut header =
            HeaderValue::from_str(&format!("{SCHEME}{token}")).map_err(|_| TokenError::Malformed)?;
        header.set_sensitive(true);
        Ok(Self { header })
    }

    /// Parses the value of an `Authorization` header.
    pub fn from_authorization(header: Option<&str>) -> Result<Self, TokenError> {
        let value = header
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .ok_or(TokenError::Missing)?;
        let (scheme, token) = value.split_once(' ').ok_or(TokenError::Malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(TokenError::Malformed);
        }
        Self::parse(token.trim_start())
    }

    /// The token in plain text.
    pub fn as_str(&self) -> &str {
        self.header
            .to_str()
            .unwrap_or_default()
            .get(SCHEME.len()..)
            .unwrap_or_default()
    }

    pub(crate) fn bearer(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(..)")
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
