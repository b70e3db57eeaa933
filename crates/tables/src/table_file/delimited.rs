//! Reads rows of text whose cells are divided by a separator.

use std::ops::ControlFlow;

use bytes::Bytes;
use csv::{ByteRecord, ReaderBuilder};

use super::{Cell, Each, Row, TableFileError, clean};

const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// The number of rows that are used to recognise the separator.
const SAMPLE: usize = 10;

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
        let mut reader = reader(&self.text, self.separator);
        let mut record = ByteRecord::new();
        let mut lines = LineCounter {
            text: &self.text,
            counted: 0,
            line: self.lines_before + 1,
        };
        while reader
            .read_byte_record(&mut record)
            .map_err(|_| TableFileError::Damaged)?
        {
            let mut cells: Vec<String> = record
                .iter()
                .map(|cell| clean(&String::from_utf8_lossy(cell)))
                .collect();
            while cells.last().is_some_and(String::is_empty) {
                cells.pop();
            }
            if cells.is_empty() {
                continue;
            }
            let start = record.position().map_or(0, csv::Position::byte);
            let row = Row {
                line: lines.line_at(usize::try_from(start).unwrap_or(usize::MAX)),
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

fn reader(text: &[u8], separator: u8) -> csv::Reader<&[u8]> {
    ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text)
}

/// The separator in a first line such as `sep=;`, and the length of that line.
fn named_separator(text: &[u8]) -> Option<(u8, usize)> {
    let end = text.iter().take(16).position(|byte| *byte == b'\n')?;
    let line = text[..end].trim_ascii_end();
    let line = line
        .strip_prefix(b"\"")
        .and_then(|line| line.strip_suffix(b"\""))
        .unwrap_or(line);
    match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] if SEPARATORS.contains(separator) => {
            Some((*separator, end + 1))
        }
        _ => None,
    }
}

/// The separator that divides the header into most cells, and most other rows into the same number.
fn likeliest_separator(text: &[u8]) -> u8 {
    let agreement = |separator: u8| {
        let mut reader = reader(text, separator);
        let mut widths = reader
            .byte_records()
            .take(SAMPLE)
            .map_while(Result::ok)
            .map(|record| record.len());
        let header = widths.next().unwrap_or(0);
        let (rows, equal) = widths.fold((0, 0), |(rows, equal), width| {
            (rows + 1, equal + usize::from(width == header))
        });
        // A table with only a header counts as consistent.
        (header > 1, (equal * 100).checked_div(rows).unwrap_or(100), header)
    };
    let mut best = SEPARATORS[0];
    for separator in SEPARATORS {
        if agreement(separator) > agreement(best) {
            best = separator;
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
