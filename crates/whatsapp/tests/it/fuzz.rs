//! Fuzz tests that run on stable Rust for a limited time. They mutate real payloads. `FUZZ_SECONDS=600 cargo
//! test --release -p whatsapp --test it fuzz` runs longer; `FUZZ_SEED` repeats a run.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use whatsapp::signature::AppSecrets;
use whatsapp::webhook;

/// The default duration of each test.
const SECONDS: u64 = 3;

/// A random number generator (Splitmix64). It is small and gives the same numbers on all machines.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment configures this test")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Calls `target` with mutated samples until the time is up. The seed is printed before a panic.
#[expect(clippy::print_stdout, reason = "a failed run can be repeated with its seed")]
fn fuzz(target: impl Fn(&[u8], &mut Random)) {
    let seed = number("FUZZ_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_secs() ^ u64::from(now.subsec_nanos())
    });
    println!("FUZZ_SEED={seed}");
    let samples = samples();
    let mut random = Random(seed);
    let end = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(SECONDS));
    let mut runs = 0_u64;
    while Instant::now() < end || runs < 1000 {
        let input = mutated(&samples, &mut random);
        target(&input, &mut random);
        runs += 1;
    }
    println!("{runs} inputs");
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

fn mutated(samples: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = samples[random.below(samples.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        let until = at + random.below((bytes.len() - at).min(200));
        match random.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.drain(at..until)),
            2 => {
                let copied = bytes[at..until].to_vec();
                bytes.splice(at..at, copied);
            }
            3 => drop(bytes.splice(at..at, STRANGE[random.below(STRANGE.len())].iter().copied())),
            4 => bytes.truncate(at),
            _ => {
                let other = &samples[random.below(samples.len())];
                let from = random.below(other.len());
                let to = from + random.below((other.len() - from).min(400));
                bytes.splice(at..until, other[from..to].iter().copied());
            }
        }
        if bytes.is_empty() {
            bytes.push(b'{');
        }
    }
    bytes
}

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
