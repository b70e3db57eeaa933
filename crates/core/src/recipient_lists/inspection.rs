//! A look at a file before it is imported: what is wrong with all of it is told at once.

use std::ops::ControlFlow;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::import_file::MAX_FILE;
use super::row_reader::Columns;
use crate::error::ApiError;
use crate::table_file::{TableFile, TableFileError};
use crate::text::Text;

/// Rows of one file.
const MAX_ROWS: usize = 200_000;

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inspection {
    /// The variables, in their order.
    pub(super) columns: Vec<String>,
    pub(super) total_rows: usize,
}

/// Looks through a file. `field` is named in what is told.
pub(super) async fn inspect(
    bytes: Bytes,
    country: String,
    field: &'static str,
) -> Result<Inspection, ApiError> {
    let looked = spawn_blocking(move || look(bytes, &country)).await;
    looked
        .unwrap_or_else(|_| Err(problem_of(TableFileError::Damaged)))
        .map_err(|problem| ApiError::field(field, problem))
}

fn look(bytes: Bytes, country: &str) -> Result<Inspection, Text> {
    if bytes.len() > MAX_FILE {
        return Err(too_long());
    }
    let table = TableFile::open(bytes).map_err(problem_of)?;
    let first = table.first_row().map_err(problem_of)?;
    let Some(columns) = Columns::of(&first, country) else {
        return Err(Text::new(
            "no column holds phone numbers: name one `phone_number` in the first row",
            "tidak ada kolom nomor telepon: beri nama `phone_number` atau `no hp` di baris pertama",
        ));
    };
    let mut rows = 0;
    let counted = table.read(|_| {
        rows += 1;
        if rows <= MAX_ROWS + 1 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    counted.map_err(problem_of)?;
    let total_rows = rows - usize::from(!columns.headless);
    match total_rows {
        0 => Err(problem_of(TableFileError::Empty)),
        1..=MAX_ROWS => Ok(Inspection {
            columns: columns.variable_names().into_iter().map(str::to_owned).collect(),
            total_rows,
        }),
        _ => Err(Text::new(
            "has more than 200,000 rows",
            "berisi lebih dari 200.000 baris",
        )),
    }
}

/// The file is longer than is read.
pub(super) fn too_long() -> Text {
    Text::new("must not exceed 10 MB", "tidak boleh lebih dari 10 MB")
}

fn problem_of(error: TableFileError) -> Text {
    match error {
        TableFileError::Unknown => Text::new(
            "is neither a CSV nor an XLSX file",
            "bukan berkas CSV maupun XLSX",
        ),
        TableFileError::OldExcel => Text::new(
            "is of the older Excel format, or protected by a password: save it as XLSX or CSV",
            "berformat Excel lama, atau dilindungi kata sandi: simpan sebagai XLSX atau CSV",
        ),
        TableFileError::Damaged => Text::new("is damaged and cannot be read", "rusak dan tidak dapat dibaca"),
        TableFileError::TooLarge => Text::new(
            "holds too much when unpacked: split it",
            "isinya terlalu besar setelah dibuka: bagilah menjadi beberapa berkas",
        ),
        TableFileError::TooWide => Text::new("has more than 200 columns", "memiliki lebih dari 200 kolom"),
        TableFileError::Empty => Text::new("has no rows", "tidak berisi baris"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Language;

    fn looked(text: &str) -> Result<Inspection, String> {
        let looked = look(Bytes::copy_from_slice(text.as_bytes()), "ID");
        looked.map_err(|problem| problem.in_language(Language::English).to_owned())
    }

    #[test]
    fn a_table_tells_its_columns_and_rows() {
        assert_eq!(
            looked("nama;no hp;kota\nAni;0812;Solo\n\nBudi;x;\n"),
            Ok(Inspection {
                columns: vec!["kota".to_owned()],
                total_rows: 2
            })
        );
        assert_eq!(
            looked("081234567890\n081234567891"),
            Ok(Inspection {
                columns: Vec::new(),
                total_rows: 2
            })
        );
    }

    #[test]
    fn what_is_wrong_with_all_of_it_is_told() {
        for (text, problem) in [
            ("", "has no rows"),
            ("nama,no hp\n", "has no rows"),
            ("nama,kota\nAni,Solo", "no column holds phone numbers"),
            ("{\"a\":\u{0}1}", "is neither"),
        ] {
            assert!(
                looked(text).is_err_and(|told| told.starts_with(problem)),
                "{text}"
            );
        }
        let long = format!("hp\n{}", "6281234567890\n".repeat(MAX_ROWS + 1));
        assert_eq!(looked(&long), Err("has more than 200,000 rows".to_owned()));
        assert_eq!(
            looked(&long[..long.len() - 14]).map(|found| found.total_rows),
            Ok(MAX_ROWS)
        );
    }
}
