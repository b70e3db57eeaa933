//! The ZIP archive of a spreadsheet, read within limits.
//!
//! Every size in an archive is a claim. Only the number of bytes that are really unpacked counts, and the reader stops when
//! it has unpacked as much as a file of this length can honestly hold.

use std::collections::HashMap;
use std::io::{self, Cursor, Read};

use bytes::Bytes;
use zip::ZipArchive;
use zip::read::ZipFile;

use super::xml::Xml;
use crate::table_file::TableFileError;

/// A workbook has some ten parts, and one for each sheet, picture and comment.
const MAX_ENTRIES: usize = 10_000;
/// The most that is unpacked of a file: 100,000 rows of ten columns are 50 MB.
const MAX_UNPACKED: u64 = 300_000_000;
/// Rows of people shrink to a tenth or a twentieth. A file that unpacks to more than this times its length repeats itself.
const MAX_RATIO: u64 = 200;
/// As much is unpacked of any file, however short it is.
const ALWAYS_UNPACKED: u64 = 4_000_000;

const CENTRAL_HEADER: [u8; 4] = *b"PK\x01\x02";
const ZIP64_END: [u8; 4] = *b"PK\x06\x06";

/// The parts of a workbook by their paths.
pub(super) struct Archive {
    zip: ZipArchive<Cursor<Bytes>>,
    /// Lower case with `/`: some programs write paths in other ways.
    places: HashMap<String, usize>,
    /// As much may still be unpacked.
    left: u64,
}

impl Archive {
    pub(super) fn open(bytes: Bytes) -> Result<Self, TableFileError> {
        if claims_too_many_entries(&bytes) {
            return Err(TableFileError::TooLarge);
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let left = MAX_UNPACKED.min(length.saturating_mul(MAX_RATIO).max(ALWAYS_UNPACKED));
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| TableFileError::Damaged)?;
        let mut places = HashMap::new();
        for (place, path) in zip.file_names().enumerate() {
            let path = path.map_err(|_| TableFileError::Damaged)?;
            places.insert(comparable(&path), place);
        }
        if !places.keys().any(|path| path.starts_with("xl/")) {
            return Err(TableFileError::Unknown);
        }
        Ok(Self { zip, places, left })
    }

    /// A part of the workbook, of which no more than `limit` bytes are unpacked. Nothing if there is no such part.
    pub(super) fn part(&mut self, path: &str, limit: u64) -> Result<Option<Xml<Part<'_>>>, TableFileError> {
        let Some(place) = self.places.get(&comparable(path)) else {
            return Ok(None);
        };
        let file = self.zip.by_index(*place).map_err(|_| TableFileError::Damaged)?;
        Ok(Some(Xml::new(Part {
            file,
            limit,
            left: &mut self.left,
        })))
    }
}

fn comparable(path: &str) -> String {
    path.replace('\\', "/").to_ascii_lowercase()
}

/// The `zip` crate reserves memory for as many entries as a ZIP64 record claims, and keeps every entry that it finds.
fn claims_too_many_entries(bytes: &[u8]) -> bool {
    let mut entries = 0;
    for (place, window) in bytes.windows(4).enumerate() {
        if window == CENTRAL_HEADER {
            entries += 1;
        } else if window == ZIP64_END {
            let number = |from: usize| -> Option<u64> {
                let number = bytes.get(place + from..place + from + 8)?;
                Some(u64::from_le_bytes(number.try_into().ok()?))
            };
            // Compressed data may contain these four bytes as well, but hardly a length that fits the file after them.
            let fits = number(4).is_some_and(|length| length <= bytes.len() as u64);
            if fits && number(32).is_some_and(|claimed| claimed > MAX_ENTRIES as u64) {
                return true;
            }
        }
    }
    entries > MAX_ENTRIES
}

/// The unpacked bytes of one part.
pub(super) struct Part<'a> {
    file: ZipFile<'a, Cursor<Bytes>>,
    /// As much may still be unpacked of this part,
    limit: u64,
    /// and as much of all parts.
    left: &'a mut u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let unpacked = u64::try_from(read).unwrap_or(u64::MAX);
        let (Some(limit), Some(left)) = (self.limit.checked_sub(unpacked), self.left.checked_sub(unpacked))
        else {
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.limit = limit;
        *self.left = left;
        Ok(read)
    }
}
