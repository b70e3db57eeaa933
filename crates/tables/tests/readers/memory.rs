//! How much memory a reader may hold, and how much it holds.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use crm_core::text::Language;
use peak_alloc::PeakAlloc;
use tables::file_import::inspection::look;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The memory is one for all tests: they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// What the reader needs for any file: one row of text, one tag of XML, the buffers of the unpacker.
const ALWAYS: usize = 16_000_000;
/// A text is held as the file and as UTF-8, which takes at most three bytes for one.
const TIMES_A_TEXT: usize = 4;
/// Texts that cells share are kept unpacked, and an archive is unpacked to 200 times its length at most. What holds them
/// grows by doubling.
const TIMES_AN_ARCHIVE: usize = 400;
/// No file makes the reader hold more.
const MOST: usize = 250_000_000;

/// Waits for its turn.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks through a file as an upload is looked through, and answers with the number of its rows or what is wrong with it.
/// Fails if the reader holds more memory than such a file may cost. Needs the turn.
pub(crate) fn rows_of(file: &[u8]) -> Result<usize, String> {
    let bytes = Bytes::copy_from_slice(file);
    let times = if file.starts_with(b"PK") {
        TIMES_AN_ARCHIVE
    } else {
        TIMES_A_TEXT
    };
    let allowed = (ALWAYS + file.len() * times).min(MOST);
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let looked = look(bytes, |_| Ok(((), true)));
    let held = MEMORY.peak_usage().saturating_sub(before);
    assert!(
        held <= allowed,
        "{held} bytes are held for a file of {}, and {allowed} are allowed",
        file.len()
    );
    looked
        .map(|((), rows)| rows)
        .map_err(|problem| problem.in_language(Language::English).to_owned())
}
