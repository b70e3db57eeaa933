//! Reads rows of text whose cells are divided by a separator.

use std::borrow::Cow;
use std::ops::ControlFlow;

use bytes::Bytes;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::{Cell, Each, Row, TableFileError, clean};
use crate::csv_table;

const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// The number of rows that are used to recognise the separator.
const SAMPLE: usize = 10;
/// As wide as a row of a spreadsheet can be. Empty cells count, for programs write them where nothing is.
const MAX_CELLS: usize = 16_384;
/// The longest row in bytes. One that is longer comes from a quotation mark that is never closed.
const MAX_ROW: usize = 1_000_000;

/// UTF-8 text with its separator.
#[derive(Clone)]
pub(super) struct Delimited {
    text: Bytes,
    separator: u8,
    /// The number of lines before the table, such as Excel's `sep=;`.
    lines_before: u32,
}

impl Delimited {
    pub(super) fn new(text: Bytes) -> Self {
        if let Some((separator, length)) = named_separator(&text) {
            return Self {
                text: text.slice(length..),
                separator,
                lines_before: 1,
            };
        }
        let separator = likeliest_separator(&text);
        Self {
            text,
            separator,
            lines_before: 0,
        }
    }

    pub(super) fn read(&self, each: Each<'_>) -> Result<(), TableFileError> {
        let mut records = Records::new(&self.text, self.separator);
        let mut lines = LineCounter {
            text: &self.text,
            counted: 0,
            line: self.lines_before + 1,
        };
        while let Some(record) = records.next()? {
            let mut cells: Vec<String> = record
                .cells()
                .map(|cell| unprotected(&clean(&String::from_utf8_lossy(cell))).into_owned())
                .collect();
            while cells.last().is_some_and(String::is_empty) {
                cells.pop();
            }
            if cells.is_empty() {
                continue;
            }
            let row = Row {
                line: lines.line_at(record.start),
                cells: cells.into_iter().map(Cell::Text).collect(),
            };
            if each(row)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

/// Counts lines as an editor does. The reader's own count is one too low in files whose lines end in CR LF.
struct LineCounter<'a> {
    text: &'a [u8],
    counted: usize,
    line: u32,
}

impl LineCounter<'_> {
    /// The line of the first row at or after `start`. `start` must not decrease between calls.
    fn line_at(&mut self, start: usize) -> u32 {
        while let Some(byte) = self.text.get(self.counted) {
            let ends_line = match byte {
                b'\n' => true,
                b'\r' => self.text.get(self.counted + 1) != Some(&b'\n'),
                _ if self.counted >= start => break,
                _ => false,
            };
            self.line += u32::from(ends_line);
            self.counted += 1;
        }
        self.line
    }
}

/// Records of a text, one after the other. Memory is bounded by the longest record that is read.
struct Records<'a> {
    reader: Reader,
    text: &'a [u8],
    read: usize,
    buffer: Vec<u8>,
    ends: Vec<usize>,
}

/// A record: its cells without their quotes, and where it begins.
struct Record<'a> {
    start: usize,
    buffer: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Records<'a> {
    fn new(text: &'a [u8], separator: u8) -> Self {
        Self {
            reader: ReaderBuilder::new().delimiter(separator).build(),
            text,
            read: 0,
            buffer: vec![0; MAX_ROW.min(text.len() + 1)],
            ends: vec![0; MAX_CELLS.min(text.len() + 1)],
        }
    }

    fn next(&mut self) -> Result<Option<Record<'_>>, TableFileError> {
        let start = self.read;
        let (mut written, mut cells) = (0, 0);
        loop {
            let (result, read, wrote, ended) = self.reader.read_record(
                &self.text[self.read..],
                &mut self.buffer[written..],
                &mut self.ends[cells..],
            );
            self.read += read;
            written += wrote;
            cells += ended;
            match result {
                // An empty input says that the text is at its end.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => return Err(TableFileError::RowTooLong),
                ReadRecordResult::OutputEndsFull => return Err(TableFileError::TooWide),
                ReadRecordResult::Record => {
                    return Ok(Some(Record {
                        start,
                        buffer: &self.buffer,
                        ends: &self.ends[..cells],
                    }));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }
}

impl<'a> Record<'a> {
    fn cells(&self) -> impl Iterator<Item = &'a [u8]> {
        let (buffer, ends) = (self.buffer, self.ends);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(ends).map(move |(start, end)| &buffer[start..*end])
    }
}

/// The value of a cell without what keeps spreadsheets from reading it as a number or a formula: the apostrophe of our
/// exports, or `="00123"`.
fn unprotected(cell: &str) -> Cow<'_, str> {
    cell.strip_prefix("=\"")
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|text| !text.contains('"'))
        .map_or_else(|| csv_table::unprotected(cell), Cow::Borrowed)
}

/// The separator in a first line such as `sep=;`, and the length of that line.
fn named_separator(text: &[u8]) -> Option<(u8, usize)> {
    let end = text
        .iter()
        .take(16)
        .position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let length = end + if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
    let line = text[..end].trim_ascii_start();
    // A space may follow the name of the separator; a tab may be the separator.
    let line = line.strip_suffix(b" ").unwrap_or(line);
    let line = line
        .strip_prefix(b"\"")
        .and_then(|line| line.strip_suffix(b"\""))
        .unwrap_or(line);
    match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] if SEPARATORS.contains(separator) => {
            Some((*separator, length))
        }
        _ => None,
    }
}

/// The separator that divides the header into most cells, and most other rows into the same number.
fn likeliest_separator(text: &[u8]) -> u8 {
    let agreement = |separator: u8| {
        let mut records = Records::new(text, separator);
        let mut widths = std::iter::from_fn(|| Some(records.next().ok()??.ends.len())).take(SAMPLE);
        let header = widths.next().unwrap_or(0);
        let (rows, equal) = widths.fold((0, 0), |(rows, equal), width| {
            (rows + 1, equal + usize::from(width == header))
        });
        // A table with only a header counts as consistent.
        (header > 1, (equal * 100).checked_div(rows).unwrap_or(100), header)
    };
    let mut best = SEPARATORS[0];
    let mut best_agreement = agreement(best);
    for separator in &SEPARATORS[1..] {
        let agreement = agreement(*separator);
        if agreement > best_agreement {
            (best, best_agreement) = (*separator, agreement);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u32, Vec<String>)> {
        let mut rows = Vec::new();
        let mut keep = |row: Row| {
            rows.push((
                row.line,
                row.cells.iter().map(|cell| cell.as_str().to_owned()).collect(),
            ));
            Ok(ControlFlow::Continue(()))
        };
        Delimited::new(Bytes::copy_from_slice(text.as_bytes()))
            .read(&mut keep)
            .unwrap();
        rows
    }

    #[test]
    fn every_separator_is_recognised() {
        for separator in [",", ";", "\t", "|"] {
            let text = "nama,nomor,kota\nAni,62812,Solo\nBudi,62813,\n".replace(',', separator);
            assert_eq!(
                rows(&text)[1],
                (2, vec!["Ani".into(), "62812".into(), "Solo".into()]),
                "{separator:?}"
            );
        }
    }

    #[test]
    fn a_separator_within_the_cells_does_not_mislead() {
        let text = "nama;nomor;alamat\n\"Ani; S.Kom\";62812;\"Jl. Melati 1, Solo, Jawa\"\nBudi;62813;Bogor, Jawa, RI\n";
        assert_eq!(
            rows(text)[1].1,
            ["Ani; S.Kom", "62812", "Jl. Melati 1, Solo, Jawa"]
        );
        assert_eq!(rows(text)[2].1, ["Budi", "62813", "Bogor, Jawa, RI"]);
        assert_eq!(rows("nomor\n0812,0813\n")[1].1, ["0812,0813"]);
    }

    #[test]
    fn excel_may_name_the_separator() {
        assert_eq!(
            rows("sep=;\r\nnama;nomor\r\nAni;62812\r\n")[1],
            (3, vec!["Ani".into(), "62812".into()])
        );
    }

    #[test]
    fn a_named_separator_may_be_a_tab_and_its_line_may_end_in_any_way() {
        for separator in [",", ";", "\t", "|"] {
            for end in ["\n", "\r\n", "\r"] {
                let text = format!("sep={separator}{end}nama{separator}nomor{end}Ani{separator}62812{end}");
                assert_eq!(
                    rows(&text)[1],
                    (3, vec!["Ani".into(), "62812".into()]),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn the_protection_of_our_exports_and_of_spreadsheets_is_taken_off() {
        for value in [
            "=1+1", "+62 812", "-", "-5", "'-5", "@ani", "'=a", "''+", "'Aisyah", "a, \"b\"",
        ] {
            let mut table = "nama,nomor\r\n".to_owned();
            csv_table::push_line(&mut table, &[value, "62812"]);
            assert_eq!(rows(&table)[1].1, [value, "62812"], "{table}");
        }
        assert_eq!(rows("nama,nomor\nAni,\"=\"\"00123\"\"\"\n")[1].1[1], "00123");
        assert_eq!(rows("nama,nomor\nAni,=\"00123\"\n")[1].1[1], "00123");
    }

    #[test]
    fn lines_end_in_any_way() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["nomor", "", "", "62812", "\" \"", "62813"].join(end);
            let lines: Vec<u32> = rows(&text).into_iter().map(|(line, _)| line).collect();
            assert_eq!(lines, [1, 4, 6], "{end:?}");
        }
    }

    #[test]
    fn quoted_line_ends_are_kept_and_lines_are_counted_as_in_an_editor() {
        let text = "nama,nomor\r\n\"Ani\r\n\"\"Manis\"\"\",62812\r\nBudi,62813";
        assert_eq!(
            rows(text),
            [
                (1, vec!["nama".into(), "nomor".into()]),
                (2, vec!["Ani\r\n\"Manis\"".into(), "62812".into()]),
                (4, vec!["Budi".into(), "62813".into()]),
            ]
        );
    }
}
