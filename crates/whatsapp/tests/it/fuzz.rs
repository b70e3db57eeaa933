//! Fuzz tests of the webhook parser and of signatures: see the crate `fuzzing`.

use fuzzing::{Random, mutated};
use whatsapp::signature::AppSecrets;
use whatsapp::webhook;

/// Calls `target` with mutated samples.
fn fuzz(target: impl Fn(&[u8], &mut Random)) {
    let samples = samples();
    fuzzing::fuzz(|random| target(&mutated(&samples, &STRANGE, random), random));
}

fn samples() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files.map(|file| std::fs::read(file).unwrap()).collect()
}

/// Bytes and words that often break parsers.
const STRANGE: [&[u8]; 16] = [
    b"\"",
    b"\\",
    b"\0",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"\xff\xfe",
    b"\xf0\x9f\x98",
    b"\"messages\":",
];

/// Whether a string or a key holds U+0000. The text `\\u0000` after an escaped backslash is none.
fn has_nul(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains('\0'),
        serde_json::Value::Array(items) => items.iter().any(has_nul),
        serde_json::Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

#[test]
fn fuzz_webhook_parser() {
    fuzz(|input, _| {
        let Ok(delivery) = webhook::parse(input) else {
            return;
        };
        // All parsed deliveries can be stored: the JSON contains nothing that Postgres cannot store.
        let json = serde_json::to_vec(&delivery).unwrap();
        assert!(webhook::storable_json(&json).is_ok());
        assert!(
            !has_nul(&serde_json::from_slice(&json).unwrap()),
            "U+0000 is kept"
        );
        for message in &delivery.messages {
            assert!(
                message.from.is_some() || message.user_id.is_some(),
                "the message has no sender"
            );
        }
    });
}

#[test]
fn fuzz_signature() {
    let secrets = AppSecrets::parse("new secret,old secret").unwrap();
    let stranger = AppSecrets::parse("another").unwrap();
    fuzz(|input, random| {
        let header = secrets.sign(input);
        assert!(secrets.verify(input, &header).is_ok());
        assert!(secrets.verify(input, &stranger.sign(input)).is_err());

        let mut changed = input.to_vec();
        let at = random.below(changed.len());
        changed[at] ^= 1 << random.below(8);
        assert!(
            secrets.verify(&changed, &header).is_err(),
            "another body verifies"
        );

        let mut strange = header.into_bytes();
        let at = random.below(strange.len());
        strange[at] = u8::try_from(random.below(128)).unwrap();
        let strange = String::from_utf8(strange).unwrap();
        // The case of hexadecimal digits does not matter.
        let genuine = secrets.sign(input);
        let same = strange.starts_with("sha256=") && strange.eq_ignore_ascii_case(&genuine);
        assert_eq!(secrets.verify(input, &strange).is_ok(), same, "{strange}");
    });
}
