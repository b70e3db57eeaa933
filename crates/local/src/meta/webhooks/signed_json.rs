//! JSON bytes with Meta's escaping, and their signature.

use std::io::{self, Write};

use aws_lc_rs::hmac;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// A formatter with Meta's escaping: all characters beyond ASCII, slashes and at signs are escaped. For this
/// reason only the raw bytes can be verified.
struct MetaFormatter;

impl Formatter for MetaFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (position, character) in fragment.char_indices() {
            if character.is_ascii() && character != '/' && character != '@' {
                continue;
            }
            writer.write_all(&fragment.as_bytes()[plain..position])?;
            plain = position + character.len_utf8();
            match character {
                '/' => writer.write_all(b"\\/")?,
                _ => {
                    let mut units = [0; 2];
                    for unit in character.encode_utf16(&mut units) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

/// The bytes that Meta would send for a value.
pub(crate) fn to_bytes(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(1_024);
    value.serialize(&mut Serializer::with_formatter(&mut bytes, MetaFormatter))?;
    Ok(bytes)
}

/// The value of `X-Hub-Signature-256` for raw bytes.
pub(crate) fn signature(app_secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, app_secret.as_bytes());
    format!("sha256={}", hex(hmac::sign(&key, body).as_ref()))
}

/// The bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn bytes_are_escaped_as_meta_does() {
        let value = json!({"a": "ä/@ \"q\" \n 👍 plain"});
        let text = String::from_utf8(to_bytes(&value).unwrap()).unwrap();
        assert_eq!(text, r#"{"a":"\u00e4\/\u0040 \"q\" \n \ud83d\udc4d plain"}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn the_signature_is_hmac_sha256_of_the_bytes() {
        // RFC 4231, test case 2.
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature("Jefe", b"what do ya want for nothing?"), expected);
    }
}
