//! The texts that the cells of a workbook share.

use quick_xml::events::Event;

use super::archive::Archive;
use super::cell_text;
use crate::table_file::{TableFileError, clean};

/// The most that is unpacked to read them.
const MAX_UNPACKED: u64 = 80_000_000;
/// All texts together, in bytes.
const MAX_BYTES: usize = 50_000_000;
/// Texts of a workbook.
const MAX_TEXTS: usize = 4_000_000;

/// Texts by their places. How many there are is counted: what the file says about it is not read.
#[derive(Default)]
pub(super) struct SharedTexts {
    text: String,
    ends: Vec<u32>,
}

impl SharedTexts {
    /// Reads the texts, as cells show them.
    pub(super) fn read(archive: &mut Archive, folder: &str) -> Result<Self, TableFileError> {
        let mut texts = Self::default();
        let Some(mut xml) = archive.part(&format!("{folder}sharedStrings.xml"), MAX_UNPACKED)? else {
            return Ok(texts);
        };
        loop {
            match xml.next()? {
                Event::Start(element) if element.local_name().as_ref() == "si" => {
                    texts.push(&clean(&cell_text::read(&mut xml, "si")?))?;
                }
                Event::End(element) if element.local_name().as_ref() == "sst" => {
                    xml.finish()?;
                    return Ok(texts);
                }
                _ => {}
            }
        }
    }

    /// The text at a place.
    pub(super) fn get(&self, place: usize) -> Option<&str> {
        let end = *self.ends.get(place)? as usize;
        let start = place
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        self.text.get(start..end)
    }

    fn push(&mut self, text: &str) -> Result<(), TableFileError> {
        if self.ends.len() >= MAX_TEXTS || self.text.len() + text.len() > MAX_BYTES {
            return Err(TableFileError::TooLarge);
        }
        self.text.push_str(text);
        self.ends
            .push(u32::try_from(self.text.len()).map_err(|_| TableFileError::TooLarge)?);
        Ok(())
    }
}
