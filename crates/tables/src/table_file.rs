//! Reads tables as people upload them: CSV of any dialect, or XLSX, row by row.
//!
//! Memory is bounded by the file: its bytes, their text, one row, and for XLSX the texts that its cells share
//! ([`spreadsheet`] limits what it unpacks). No size that a file states is believed. Rows are handed out one at a time and not kept.

mod delimited;
mod encoding;
mod spreadsheet;

use std::ops::ControlFlow;

use bytes::Bytes;

/// The most columns: a table with more is not a list of people.
const MAX_COLUMNS: usize = 200;
/// The length to which texts are cut: no field is longer, and a small file can repeat a long text often.
const MAX_CHARACTERS: usize = 5000;

/// A row that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line in which it begins, from 1, as an editor or a spreadsheet shows it.
    pub line: u32,
    /// The trimmed cells. Dates are `2024-02-17`, whole numbers have no decimals.
    pub cells: Vec<Cell>,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A text.
    Text(String),
    /// A number that is stored as a number, so that its digits may not be those that a person typed.
    Number(String),
}

impl Cell {
    /// The cell as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
        }
    }
}

/// The reason why a file cannot be read as a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TableFileError {
    #[error("neither CSV nor XLSX")]
    Unknown,
    #[error("the older format of Excel")]
    OldExcel,
    #[error("damaged, or protected by a password")]
    Damaged,
    #[error("unpacks to more than is read")]
    TooLarge,
    #[error("more columns than a table of people has")]
    TooWide,
    #[error("a row without an end")]
    RowTooLong,
    #[error("without rows")]
    Empty,
}

/// A table that can be read several times.
#[derive(Clone)]
pub(crate) struct TableFile {
    content: Content,
}

#[derive(Clone)]
enum Content {
    Delimited(delimited::Delimited),
    Spreadsheet(Bytes),
}

impl TableFile {
    /// Recognises the format by the content, because names and types of uploads are unreliable. Blocks while the list of
    /// an archive is read.
    pub(crate) fn open(bytes: Bytes) -> Result<Self, TableFileError> {
        let content = if bytes.starts_with(b"PK\x03\x04") {
            spreadsheet::check(bytes.clone())?;
            Content::Spreadsheet(bytes)
        } else if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Err(TableFileError::OldExcel);
        } else {
            Content::Delimited(delimited::Delimited::new(encoding::decode(&bytes)?))
        };
        Ok(Self { content })
    }

    /// Passes the rows to `each` in order, until the last row or until `each` breaks. Blocks.
    pub(crate) fn read(&self, mut each: impl FnMut(Row) -> ControlFlow<()>) -> Result<(), TableFileError> {
        let mut last_line = 0;
        let mut checked = |row: Row| {
            if row.cells.len() > MAX_COLUMNS {
                return Err(TableFileError::TooWide);
            }
            // Continuing an import after an interruption relies on it.
            if row.line <= last_line {
                return Err(TableFileError::Damaged);
            }
            last_line = row.line;
            Ok(each(row))
        };
        match &self.content {
            Content::Delimited(text) => text.read(&mut checked),
            Content::Spreadsheet(bytes) => spreadsheet::read(bytes.clone(), &mut checked),
        }
    }

    /// The first row.
    pub(crate) fn first_row(&self) -> Result<Row, TableFileError> {
        let mut first = None;
        self.read(|row| {
            first = Some(row);
            ControlFlow::Break(())
        })?;
        first.ok_or(TableFileError::Empty)
    }
}

/// The receiver of rows. An error or a `Break` ends the reading.
type Each<'a> = &'a mut dyn FnMut(Row) -> Result<ControlFlow<()>, TableFileError>;

/// Trims a text and removes characters that the database cannot store.
fn clean(text: &str) -> String {
    let edge = |character: char| {
        character.is_whitespace()
            || matches!(character, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
    };
    text.trim_matches(edge)
        .chars()
        .filter(|character| *character != '\0')
        .take(MAX_CHARACTERS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8]) -> Vec<(u32, Vec<String>)> {
        let mut rows = Vec::new();
        TableFile::open(Bytes::copy_from_slice(bytes))
            .unwrap()
            .read(|row| {
                rows.push((
                    row.line,
                    row.cells.iter().map(|cell| cell.as_str().to_owned()).collect(),
                ));
                ControlFlow::Continue(())
            })
            .unwrap();
        rows
    }

    #[test]
    fn texts_are_trimmed_and_blank_rows_are_skipped() {
        assert_eq!(
            rows("\u{feff} nama ,nomor\r\n\r\n\"A\u{a0}\",\u{202a}+62 812\u{202c}\r\n , \r\nB,1".as_bytes()),
            [
                (1, vec!["nama".to_owned(), "nomor".to_owned()]),
                (3, vec!["A".to_owned(), "+62 812".to_owned()]),
                (5, vec!["B".to_owned(), "1".to_owned()]),
            ]
        );
    }

    #[test]
    fn files_that_are_not_tables_are_distinguished() {
        let refused = |bytes: &[u8]| TableFile::open(Bytes::copy_from_slice(bytes)).err();
        assert_eq!(
            refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
            Some(TableFileError::OldExcel)
        );
        assert_eq!(refused(b"PK\x03\x04rest"), Some(TableFileError::Damaged));
        assert_eq!(
            refused(b"%PDF-1.7\n%\x00\x01\x02\x03"),
            Some(TableFileError::Unknown)
        );
        let empty = TableFile::open(Bytes::from_static(b" \n\n")).unwrap();
        assert_eq!(empty.first_row(), Err(TableFileError::Empty));
        let wide = TableFile::open(Bytes::from(vec![b','; 300])).unwrap();
        assert_eq!(
            wide.first_row(),
            Err(TableFileError::Empty),
            "blank, however wide"
        );
        let wide = TableFile::open(Bytes::from("a,".repeat(300))).unwrap();
        assert_eq!(wide.first_row(), Err(TableFileError::TooWide));
    }
}
