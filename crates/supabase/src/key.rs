//! The two generations of API keys.

use reqwest::header::HeaderValue;

/// A key in the forms in which requests carry it.
pub(crate) struct ApiKey {
    pub(crate) header: HeaderValue,
    /// Only older keys are tokens. The gateway refuses an `sb_..._` key as a bearer.
    pub(crate) bearer: Option<HeaderValue>,
}

impl ApiKey {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let is_token = text.split('.').count() == 3;
        Some(Self {
            header: secret(text)?,
            bearer: if is_token {
                Some(secret(&format!("Bearer {text}"))?)
            } else {
                None
            },
        })
    }
}

/// A header value that debug output never shows.
pub(crate) fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::ApiKey;

    #[test]
    fn older_keys_are_bearers_and_newer_ones_are_not() {
        let jwt = ApiKey::parse("aaa.bbb.ccc").unwrap();
        assert_eq!(jwt.header, "aaa.bbb.ccc");
        assert_eq!(jwt.bearer.unwrap(), "Bearer aaa.bbb.ccc");

        let secret = ApiKey::parse("sb_secret_abc_def").unwrap();
        assert_eq!(secret.header, "sb_secret_abc_def");
        assert!(secret.bearer.is_none());
    }

    #[test]
    fn invalid_keys_are_refused() {
        for text in ["", "  ", "a b", "a\nb", "ключ"] {
            assert!(ApiKey::parse(text).is_none(), "{text:?}");
        }
    }
}
