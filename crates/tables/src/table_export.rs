//! Tables of any length as downloads: CSV or XLSX, written while the rows arrive.
//!
//! Memory is bounded by the rows that are pushed between two calls of [`TableExport::take`]; nothing is written to
//! disk. Every cell is text: phone numbers keep their digits, and no cell is run as a formula.

mod download;
mod spreadsheet;

use std::io;

use bytes::Bytes;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::csv_table;
use spreadsheet::Spreadsheet;

pub use download::{AuditedQuery, Export, PagedQuery, download};

/// The format of a downloaded table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TableFormat {
    /// UTF-8 with a byte order mark, commas and quotes as in RFC 4180.
    #[default]
    Csv,
    /// One sheet. It holds up to 1,048,575 rows; a download with more rows is cut off.
    Xlsx,
}

impl TableFormat {
    /// The ending of the names of such files.
    fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}

/// A table that is being written.
struct TableExport {
    content: Content,
}

enum Content {
    Csv(String),
    Xlsx(Box<Spreadsheet>),
}

impl TableExport {
    /// Begins a table with a first row that names the columns.
    fn new<T: AsRef<str>>(format: TableFormat, columns: &[T]) -> io::Result<Self> {
        let content = match format {
            TableFormat::Csv => Content::Csv(csv_table::MARK.to_owned()),
            TableFormat::Xlsx => Content::Xlsx(Box::new(Spreadsheet::new()?)),
        };
        let mut table = Self { content };
        table.push(columns)?;
        Ok(table)
    }

    /// Adds a row.
    fn push<T: AsRef<str>>(&mut self, cells: &[T]) -> io::Result<()> {
        match &mut self.content {
            Content::Csv(table) => csv_table::push_line(table, cells),
            Content::Xlsx(sheet) => sheet.push(cells)?,
        }
        Ok(())
    }

    /// Takes the part of the file that has been written. It may be empty.
    fn take(&mut self) -> Bytes {
        match &mut self.content {
            Content::Csv(table) => Bytes::from(std::mem::take(table)),
            Content::Xlsx(sheet) => sheet.take(),
        }
    }

    /// The rest of the file.
    fn finish(self) -> io::Result<Bytes> {
        match self.content {
            Content::Csv(table) => Ok(Bytes::from(table)),
            Content::Xlsx(sheet) => sheet.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::table_file::{Row, TableFile};

    const ROWS: [[&str; 3]; 3] = [
        ["nama", "no hp", "catatan"],
        ["=1+1", "+6281234567890", "<a> & \"b\"\nsecond line"],
        ["Ani\u{1}", "", "  ☕ "],
    ];

    fn written(format: TableFormat) -> Bytes {
        let mut table = TableExport::new(format, &ROWS[0]).unwrap();
        let mut bytes = table.take().to_vec();
        for row in &ROWS[1..] {
            table.push(row).unwrap();
            bytes.extend(table.take());
        }
        bytes.extend(table.finish().unwrap());
        Bytes::from(bytes)
    }

    fn read(bytes: Bytes) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let texts = |row: &Row| row.cells.iter().map(|cell| cell.as_str().to_owned()).collect();
        TableFile::open(bytes)
            .unwrap()
            .read(|row| {
                rows.push(texts(&row));
                ControlFlow::Continue(())
            })
            .unwrap();
        rows
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let expected = [
            ["nama", "no hp", "catatan"],
            ["=1+1", "+6281234567890", "<a> & \"b\"\nsecond line"],
            ["Ani", "", "☕"],
        ];
        assert_eq!(read(written(TableFormat::Xlsx)), expected);
        let csv = String::from_utf8(written(TableFormat::Csv).to_vec()).unwrap();
        assert!(
            csv.starts_with("\u{feff}nama,no hp,catatan\r\n'=1+1,+6281234567890,"),
            "{csv}"
        );
    }

    #[test]
    fn written_rows_can_be_taken_at_once() {
        for format in [TableFormat::Csv, TableFormat::Xlsx] {
            let mut table = TableExport::new(format, &ROWS[0]).unwrap();
            let (mut sent, mut longest) = (0, 0);
            for line in 0_u32..20_000 {
                table
                    .push(&[line.wrapping_mul(2_654_435_761).to_string()])
                    .unwrap();
                if line % 500 == 0 {
                    let piece = table.take().len();
                    (sent, longest) = (sent + piece, longest.max(piece));
                }
            }
            assert!(sent > 60_000, "{format:?}: {sent} bytes");
            assert!(longest < 70_000, "{format:?}: {longest} bytes at once");
        }
    }
}
