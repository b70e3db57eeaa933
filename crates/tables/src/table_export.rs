//! Tables of any length as people download them: CSV or XLSX, written as the rows come.
//!
//! Memory is bounded by what is pushed between two calls of [`TableExport::take`]; nothing is kept on disk. Every cell is
//! a text: phone numbers keep their digits, and no cell is run as a formula.

mod spreadsheet;

use std::io;

use axum::body::Body;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::csv_table;
use crm_core::error::ApiError;
use spreadsheet::Spreadsheet;

/// What a table is downloaded as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TableFormat {
    /// UTF-8 with a byte order mark, commas and quotes as in RFC 4180.
    #[default]
    Csv,
    /// One sheet. It holds 1,048,575 rows; more of them break the download off.
    Xlsx,
}

/// A table that is being written.
pub struct TableExport {
    content: Content,
}

enum Content {
    Csv(String),
    Xlsx(Box<Spreadsheet>),
}

impl TableExport {
    /// Begins a table with its first row, which names the columns.
    pub fn new<T: AsRef<str>>(format: TableFormat, columns: &[T]) -> io::Result<Self> {
        let content = match format {
            TableFormat::Csv => Content::Csv(csv_table::MARK.to_owned()),
            TableFormat::Xlsx => Content::Xlsx(Box::new(Spreadsheet::new()?)),
        };
        let mut table = Self { content };
        table.push(columns)?;
        Ok(table)
    }

    /// Adds a row.
    pub(crate) fn push<T: AsRef<str>>(&mut self, cells: &[T]) -> io::Result<()> {
        match &mut self.content {
            Content::Csv(table) => csv_table::push_line(table, cells),
            Content::Xlsx(sheet) => sheet.push(cells)?,
        }
        Ok(())
    }

    /// What can be sent by now. May be empty.
    pub(crate) fn take(&mut self) -> Bytes {
        match &mut self.content {
            Content::Csv(table) => Bytes::from(std::mem::take(table)),
            Content::Xlsx(sheet) => sheet.take(),
        }
    }

    /// The rest of the file.
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        match self.content {
            Content::Csv(table) => Ok(Bytes::from(table)),
            Content::Xlsx(sheet) => sheet.finish(),
        }
    }
}

/// A table as a download that is called `name` with the format's ending. `pages` are asked for one after the other; one
/// that fails breaks the download off, so that a shortened file does not look like a whole one. `name` has no characters
/// that a header cannot hold.
pub fn download<S>(format: TableFormat, name: &str, table: TableExport, pages: S) -> Response
where
    S: Stream<Item = Result<Vec<Vec<String>>, ApiError>> + Send + 'static,
{
    let state = Some((table, Box::pin(pages)));
    let pieces = stream::unfold(state, |state| async move {
        let (mut table, mut pages) = state?;
        match pages.next().await {
            None => Some((table.finish(), None)),
            Some(Ok(rows)) => match rows.iter().try_for_each(|row| table.push(row)) {
                Ok(()) => Some((Ok(table.take()), Some((table, pages)))),
                Err(error) => Some((Err(error), None)),
            },
            Some(Err(error)) => {
                log::error!("a download of a table breaks off: {}", error.code());
                Some((Err(io::Error::other("the download broke off")), None))
            }
        }
    });
    (headers(format, name), Body::from_stream(pieces)).into_response()
}

fn headers(format: TableFormat, name: &str) -> [(HeaderName, String); 2] {
    match format {
        TableFormat::Csv => csv_table::headers(&format!("{name}.csv")),
        TableFormat::Xlsx => [
            (
                header::CONTENT_TYPE,
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet".to_owned(),
            ),
            (
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{name}.xlsx\""),
            ),
        ],
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
            csv.starts_with("\u{feff}nama,no hp,catatan\r\n'=1+1,'+6281234567890,"),
            "{csv}"
        );
    }

    #[test]
    fn what_is_written_leaves_at_once() {
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

    #[tokio::test]
    async fn a_page_that_fails_breaks_the_download_off() {
        let rows = vec![vec!["Ani".to_owned()]];
        let pages = stream::iter([Ok(rows.clone()), Ok(rows)]);
        let table = TableExport::new(TableFormat::Csv, &["nama"]).unwrap();
        let whole = download(TableFormat::Csv, "people", table, pages);
        assert_eq!(
            whole.headers()[header::CONTENT_DISPOSITION],
            "attachment; filename=\"people.csv\""
        );
        let whole = axum::body::to_bytes(whole.into_body(), 1000).await.unwrap();
        assert_eq!(whole, "\u{feff}nama\r\nAni\r\nAni\r\n".as_bytes());

        let pages = stream::iter([Ok(vec![vec!["Ani".to_owned()]]), Err(ApiError::not_found())]);
        let table = TableExport::new(TableFormat::Csv, &["nama"]).unwrap();
        let broken = download(TableFormat::Csv, "people", table, pages);
        assert!(axum::body::to_bytes(broken.into_body(), 1000).await.is_err());
    }
}
