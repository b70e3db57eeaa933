//! `X-Hub-Signature-256`: the signature that proves that a webhook comes from Meta.

use std::fmt;

use aws_lc_rs::hmac;

const PREFIX: &str = "sha256=";
const DIGEST: usize = 32;

/// The app secrets that may have signed a webhook. There are several while the secret is being rotated.
pub struct AppSecrets {
    keys: Vec<hmac::Key>,
}

/// The configuration holds no app secret, so no signature can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no app secret is configured")]
pub struct NoSecret;

/// The reason why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header does not hold a SHA-256 signature.
    #[error("the signature header is malformed")]
    Malformed,
    /// None of our secrets produces this signature for this body.
    #[error("the signature does not match the body")]
    Mismatch,
}

impl AppSecrets {
    /// Parses secrets separated by commas. The first one signs.
    pub fn parse(list: &str) -> Result<Self, NoSecret> {
        let keys: Vec<hmac::Key> = list
            .split(',')
            .map(str::trim)
            .filter(|secret| !secret.is_empty())
            .map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
            .collect();
        if keys.is_empty() {
            Err(NoSecret)
        } else {
            Ok(Self { keys })
        }
    }

    /// Verifies the header against the body exactly as it was received.
    pub fn verify(&self, raw_body: &[u8], header: &str) -> Result<(), SignatureError> {
        let tag = digest(header).ok_or(SignatureError::Malformed)?;
        // Each comparison takes constant time, and all secrets are tried.
        let matches = self
            .keys
            .iter()
            .filter(|key| hmac::verify(key, raw_body, &tag).is_ok())
            .count();
        if matches > 0 {
            Ok(())
        } else {
            Err(SignatureError::Mismatch)
        }
    }

    /// The header value for a body, as Meta would write it.
    pub fn sign(&self, raw_body: &[u8]) -> String {
        let mut header = String::with_capacity(PREFIX.len() + 2 * DIGEST);
        header.push_str(PREFIX);
        if let Some(key) = self.keys.first() {
            for byte in hmac::sign(key, raw_body).as_ref() {
                for nibble in [byte >> 4, byte & 0xf] {
                    header.push(char::from_digit(nibble.into(), 16).unwrap_or_default());
                }
            }
        }
        header
    }
}

impl fmt::Debug for AppSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppSecrets({} secret(s))", self.keys.len())
    }
}

fn digest(header: &str) -> Option<[u8; DIGEST]> {
    let hex = header.trim().strip_prefix(PREFIX)?.as_bytes();
    if hex.len() != 2 * DIGEST {
        return None;
    }
    let mut digest = [0; DIGEST];
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{AppSecrets, NoSecret, SignatureError};

    #[test]
    fn a_signature_made_by_openssl_is_accepted() {
        // printf '{"a":1}' | openssl dgst -sha256 -hmac secret
        let header = "sha256=aa9e2e3575f5d7098b6caccd790888c36d5fdb63342a73bada2d6a51747a8494";
        let secrets = AppSecrets::parse("secret").unwrap();
        assert_eq!(secrets.sign(br#"{"a":1}"#), header);
        assert_eq!(secrets.verify(br#"{"a":1}"#, header), Ok(()));
    }

    #[test]
    fn only_the_listed_secrets_are_accepted_during_rotation() {
        let (old, new) = (
            AppSecrets::parse("old").unwrap(),
            AppSecrets::parse("new").unwrap(),
        );
        let both = AppSecrets::parse(" new , old,").unwrap();
        assert_eq!(both.verify(b"body", &old.sign(b"body")), Ok(()));
        assert_eq!(both.verify(b"body", &new.sign(b"body")), Ok(()));
        assert_eq!(both.sign(b"body"), new.sign(b"body"));
        let other = AppSecrets::parse("other").unwrap();
        assert_eq!(
            both.verify(b"body", &other.sign(b"body")),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn an_empty_list_of_secrets_is_refused() {
        for list in ["", "  ", ",", " , ,"] {
            assert_eq!(AppSecrets::parse(list).unwrap_err(), NoSecret, "{list:?}");
        }
    }

    #[test]
    fn headers_in_another_format_are_malformed() {
        let secrets = AppSecrets::parse("secret").unwrap();
        let good = secrets.sign(b"body");
        let digits = good.strip_prefix("sha256=").unwrap();
        for header in [
            "",
            "sha256=",
            digits,
            &format!("sha1={digits}"),
            &format!("sha256={}", &digits[2..]),
            &format!("sha256={digits}00"),
            &format!("sha256={}zz", &digits[2..]),
            &format!("sha256={}+1", &digits[2..]),
            &format!("sha256={}\u{e9}", &digits[2..]),
        ] {
            assert_eq!(
                secrets.verify(b"body", header),
                Err(SignatureError::Malformed),
                "{header}"
            );
        }
    }

    #[test]
    fn debug_output_hides_secrets() {
        assert_eq!(
            format!("{:?}", AppSecrets::parse("hidden,too").unwrap()),
            "AppSecrets(2 secret(s))"
        );
    }

    proptest! {
        #[test]
        fn a_signature_verifies_only_its_own_bytes(
            body in prop::collection::vec(any::<u8>(), 1..200),
            at in any::<prop::sample::Index>(),
            flip in 1..=255u8,
            secret in "[ -+\\--~]{1,40}",
        ) {
            prop_assume!(!secret.trim().is_empty());
            let secrets = AppSecrets::parse(&secret).unwrap();
            let header = secrets.sign(&body);
            prop_assert_eq!(secrets.verify(&body, &header), Ok(()));

            let mut changed = body.clone();
            changed[at.index(body.len())] ^= flip;
            prop_assert_eq!(secrets.verify(&changed, &header), Err(SignatureError::Mismatch));
            prop_assert_eq!(secrets.verify(&body[1..], &header), Err(SignatureError::Mismatch));
        }

        #[test]
        fn any_header_is_rejected_without_a_panic(header in any::<String>()) {
            let secrets = AppSecrets::parse("secret").unwrap();
            prop_assert!(secrets.verify(b"body", &header).is_err());
        }
    }
}
