//! Encryption of stored access tokens: AES-256-GCM, bound to the number they belong to.
//!
//! A sealed token is base64 of nonce, ciphertext and tag. The number's id is the associated data, so a token that is
//! copied to the row of another number does not open.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;
use whatsapp::client::SystemToken;

const KEY_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 6;

/// The keys of `TOKEN_ENCRYPTION_KEY`: the first seals, and all of them open.
pub struct TokenKeys {
    first: Key,
    older: Vec<Key>,
}

struct Key {
    id: String,
    cipher: RandomizedNonceKey,
}

/// The variable does not contain valid keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("every key must be 32 bytes in base64, several separated by commas")]
pub struct InvalidTokenKeys;

/// A reason why a sealed token cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The environment names no key with this id.
    #[error("the token was sealed with a key that is not configured")]
    KeyMissing,
    /// The stored bytes were not sealed by us for this number.
    #[error("the sealed token is damaged or belongs to another number")]
    NotOurs,
    /// The cipher failed.
    #[error("the token could not be sealed")]
    Cipher,
}

/// A sealed token, and the id of its key.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SealedToken {
    /// The nonce and the ciphertext, in Base64.
    pub sealed: String,
    /// The id of the key that sealed it.
    pub key_id: String,
}

impl TokenKeys {
    /// Reads one key or several separated by commas.
    pub fn parse(text: &str) -> Result<Self, InvalidTokenKeys> {
        let mut keys = text
            .split(',')
            .map(str::trim)
            .filter(|key| !key.is_empty())
            .map(Key::parse);
        let first = keys.next().ok_or(InvalidTokenKeys)??;
        Ok(Self {
            first,
            older: keys.collect::<Result<_, _>>()?,
        })
    }

    /// The id of the key that seals.
    pub fn current_id(&self) -> &str {
        &self.first.id
    }

    /// Seals a token for one number.
    pub fn seal(&self, session_id: Uuid, token: &SystemToken) -> Result<SealedToken, SealError> {
        let mut bytes = token.expose().as_bytes().to_vec();
        let nonce = self
            .first
            .cipher
            .seal_in_place_append_tag(Aad::from(session_id.as_bytes()), &mut bytes)
            .map_err(|_| SealError::Cipher)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        Ok(SealedToken {
            sealed: STANDARD.encode(sealed),
            key_id: self.first.id.clone(),
        })
    }

    /// Opens a token that was sealed for this number.
    pub fn open(&self, session_id: Uuid, stored: &SealedToken) -> Result<SystemToken, SealError> {
        let mut keys = std::iter::once(&self.first).chain(&self.older);
        let key = keys
            .find(|key| key.id == stored.key_id)
            .ok_or(SealError::KeyMissing)?;
        let mut bytes = STANDARD.decode(&stored.sealed).map_err(|_| SealError::NotOurs)?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(SealError::NotOurs)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::NotOurs)?;
        let token = key
            .cipher
            .open_in_place(nonce, Aad::from(session_id.as_bytes()), sealed)
            .map_err(|_| SealError::NotOurs)?;
        let token = std::str::from_utf8(token).map_err(|_| SealError::NotOurs)?;
        SystemToken::parse(token).map_err(|_| SealError::NotOurs)
    }
}

impl Key {
    fn parse(text: &str) -> Result<Self, InvalidTokenKeys> {
        let bytes = STANDARD.decode(text).map_err(|_| InvalidTokenKeys)?;
        if bytes.len() != KEY_BYTES {
            return Err(InvalidTokenKeys);
        }
        let fingerprint = digest(&SHA256, &[b"token key ", bytes.as_slice()].concat());
        Ok(Self {
            id: fingerprint
                .as_ref()
                .iter()
                .take(KEY_ID_BYTES)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            cipher: RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| InvalidTokenKeys)?,
        })
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKeys({})", self.older.len() + 1)
    }
}

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; KEY_BYTES])
    }

    fn token() -> SystemToken {
        SystemToken::parse("EAAsecret").unwrap()
    }

    #[test]
    fn a_token_comes_back_for_its_own_number_only() {
        let keys = TokenKeys::parse(&key(1)).unwrap();
        let (mine, other) = (Uuid::new_v4(), Uuid::new_v4());
        let sealed = keys.seal(mine, &token()).unwrap();
        assert_eq!(keys.open(mine, &sealed).unwrap().expose(), "EAAsecret");
        assert_eq!(keys.open(other, &sealed).unwrap_err(), SealError::NotOurs);
    }

    #[test]
    fn the_sealed_text_hides_the_token_and_differs_each_time() {
        let keys = TokenKeys::parse(&key(1)).unwrap();
        let id = Uuid::new_v4();
        let (one, two) = (keys.seal(id, &token()).unwrap(), keys.seal(id, &token()).unwrap());
        assert_ne!(one.sealed, two.sealed);
        let bytes = STANDARD.decode(&one.sealed).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"secret"));
        assert!(!format!("{one:?} {keys:?}").contains(&one.sealed));
    }

    #[test]
    fn a_changed_byte_is_refused() {
        let keys = TokenKeys::parse(&key(1)).unwrap();
        let id = Uuid::new_v4();
        let sealed = keys.seal(id, &token()).unwrap();
        let bytes = STANDARD.decode(&sealed.sealed).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = SealedToken {
                sealed: STANDARD.encode(changed),
                ..sealed.clone()
            };
            assert_eq!(
                keys.open(id, &changed).unwrap_err(),
                SealError::NotOurs,
                "byte {at}"
            );
        }
    }

    #[test]
    fn after_a_rotation_the_old_key_opens_and_the_new_one_seals() {
        let id = Uuid::new_v4();
        let old = TokenKeys::parse(&key(1)).unwrap().seal(id, &token()).unwrap();
        let both = TokenKeys::parse(&format!("{}, {}", key(2), key(1))).unwrap();
        assert_eq!(both.open(id, &old).unwrap().expose(), "EAAsecret");
        let new = both.seal(id, &token()).unwrap();
        assert_eq!(new.key_id, both.current_id());
        assert_ne!(new.key_id, old.key_id);
        let alone = TokenKeys::parse(&key(2)).unwrap();
        assert!(alone.open(id, &new).is_ok());
        assert_eq!(alone.open(id, &old).unwrap_err(), SealError::KeyMissing);
    }

    #[test]
    fn invalid_keys_are_refused() {
        for text in [
            "",
            ",",
            "short",
            &STANDARD.encode([1; 31]),
            &format!("{},x", key(1)),
        ] {
            assert!(TokenKeys::parse(text).is_err(), "{text:?}");
        }
    }
}
