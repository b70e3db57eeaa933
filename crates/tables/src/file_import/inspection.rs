//! Inspects a file before it is imported, and reports problems of the whole file at once.

use std::ops::ControlFlow;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::file::MAX_FILE;
use crate::table_file::{Row, TableFile, TableFileError};
use crm_core::error::ApiError;
use crm_core::text::Text;

/// The most rows of one file.
const MAX_ROWS: usize = 200_000;

/// Inspects a file. `columns` reads its first row, and decides whether that row is data too. Returns the result of
/// `columns` and the number of rows. Problems are reported for `field`.
pub(super) async fn inspect<T: Send + 'static>(
    bytes: Bytes,
    field: &'static str,
    columns: impl FnOnce(&Row) -> Result<(T, bool), Text> + Send + 'static,
) -> Result<(T, usize), ApiError> {
    let looked = spawn_blocking(move || look(bytes, columns)).await;
    looked
        .unwrap_or_else(|_| Err(problem_of(TableFileError::Damaged)))
        .map_err(|problem| ApiError::field(field, problem))
}

/// The work of [`inspect`]. Blocks.
pub fn look<T>(
    bytes: Bytes,
    columns: impl FnOnce(&Row) -> Result<(T, bool), Text>,
) -> Result<(T, usize), Text> {
    if bytes.len() > MAX_FILE {
        return Err(too_long());
    }
    let table = TableFile::open(bytes).map_err(problem_of)?;
    let first = table.first_row().map_err(problem_of)?;
    let (found, headless) = columns(&first)?;
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
    match rows - usize::from(!headless) {
        0 => Err(problem_of(TableFileError::Empty)),
        rows @ 1..=MAX_ROWS => Ok((found, rows)),
        _ => Err(Text::new(
            "has more than 200,000 rows",
            "berisi lebih dari 200.000 baris",
        )),
    }
}

/// The problem of a file without a column of phone numbers.
pub fn without_numbers() -> Text {
    Text::new(
        "no column holds phone numbers: name one `phone_number` in the first row",
        "tidak ada kolom nomor telepon: beri nama `phone_number` atau `no hp` di baris pertama",
    )
}

/// The problem of a file that is too large.
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
            "has the older Excel format or is protected by a password: save it as XLSX or CSV",
            "berformat Excel lama, atau dilindungi kata sandi: simpan sebagai XLSX atau CSV",
        ),
        TableFileError::Damaged => Text::new("is damaged and cannot be read", "rusak dan tidak dapat dibaca"),
        TableFileError::TooLarge => Text::new(
            "holds too much when unpacked: split it",
            "isinya terlalu besar setelah dibuka: bagilah menjadi beberapa berkas",
        ),
        TableFileError::TooWide => Text::new("has more than 200 columns", "memiliki lebih dari 200 kolom"),
        TableFileError::RowTooLong => Text::new(
            "has a row of more than 1 MB: look for a quotation mark that is not closed",
            "memiliki baris yang lebih dari 1 MB: periksa tanda kutip yang tidak ditutup",
        ),
        TableFileError::Empty => Text::new("has no rows", "tidak berisi baris"),
    }
}
