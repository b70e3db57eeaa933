//! Fuzz tests that run on stable Rust for a limited time. They mutate real samples.
//!
//! `FUZZ_SECONDS=600 cargo test --release -p whatsapp --test it fuzz` runs longer; `FUZZ_SEED` repeats a run.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The default duration of each test.
const SECONDS: u64 = 3;
/// The fewest inputs of each test.
const INPUTS: u64 = 1000;
/// The longest piece that a change copies or removes.
const PIECE: usize = 400;

/// A random number generator (Splitmix64). It is small and gives the same numbers on all machines.
pub struct Random(u64);

impl Random {
    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end`, without `end` itself. 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % (end.max(1) as u64)).unwrap_or_default()
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment configures this test")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Calls `target` until the time is up. The seed is printed before a panic.
#[expect(clippy::print_stdout, reason = "a failed run can be repeated with its seed")]
pub fn fuzz(mut target: impl FnMut(&mut Random)) {
    let seed = number("FUZZ_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_secs() ^ u64::from(now.subsec_nanos())
    });
    println!("FUZZ_SEED={seed}");
    let mut random = Random(seed);
    let end = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(SECONDS));
    let mut runs = 0_u64;
    while Instant::now() < end || runs < INPUTS {
        target(&mut random);
        runs += 1;
    }
    println!("{runs} inputs");
}

/// One of the samples with a few changes: bits, pieces removed, doubled, cut or exchanged, and some of the `strange` words
/// that often break the parser under test. It is not empty.
pub fn mutated(samples: &[Vec<u8>], strange: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut bytes = samples[random.below(samples.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        let until = at + random.below((bytes.len() - at).min(PIECE / 2));
        match random.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.drain(at..until)),
            2 => {
                let copied = bytes[at..until].to_vec();
                bytes.splice(at..at, copied);
            }
            3 => drop(bytes.splice(at..at, strange[random.below(strange.len())].iter().copied())),
            4 => bytes.truncate(at),
            _ => {
                let other = &samples[random.below(samples.len())];
                let from = random.below(other.len());
                let to = from + random.below((other.len() - from).min(PIECE));
                bytes.splice(at..until, other[from..to].iter().copied());
            }
        }
        if bytes.is_empty() {
            bytes.push(b'{');
        }
    }
    bytes
}
