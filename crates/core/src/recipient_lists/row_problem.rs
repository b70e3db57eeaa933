//! Why a row is not on a list.

use serde::Serialize;

use crate::phone_number::PhoneProblem;
use crate::text::Text;

/// As much of a value as tells people what is meant.
const MAX_SHOWN: usize = 200;

/// What is wrong with one value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RowProblem {
    pub(super) line: u32,
    /// The column, as the file names it. Empty where it is the row.
    pub(super) field: String,
    pub(super) code: &'static str,
    pub(super) value: String,
}

impl RowProblem {
    pub(super) fn new(line: u32, field: &str, code: &'static str, value: &str) -> Self {
        Self {
            line,
            field: field.to_owned(),
            code,
            value: value.chars().take(MAX_SHOWN).collect(),
        }
    }
}

pub(super) const NAME_TOO_LONG: &str = "name_too_long";
pub(super) const VALUE_TOO_LONG: &str = "value_too_long";
pub(super) const TOO_MANY_CELLS: &str = "too_many_cells";

/// For people. `first_line` is where a duplicate stood first.
pub(super) fn text_of(code: &str, first_line: Option<u32>) -> Text {
    if let Some(problem) = PhoneProblem::from_code(code) {
        return problem.text();
    }
    match (code, first_line) {
        ("duplicate", Some(line)) => Text::new(
            format!("the same number as in line {line}, which is kept"),
            format!("nomor yang sama dengan baris {line}, yang dipertahankan"),
        ),
        ("duplicate", None) => Text::new("the number is there already", "nomor ini sudah ada"),
        (NAME_TOO_LONG, _) => Text::new("the name exceeds 200 characters", "nama lebih dari 200 karakter"),
        (VALUE_TOO_LONG, _) => Text::new("exceeds 1024 characters", "lebih dari 1024 karakter"),
        (TOO_MANY_CELLS, _) => Text::new(
            "the row has more cells than the first row has columns: put texts that contain the separator in quotes",
            "baris ini berisi lebih banyak sel daripada kolom di baris pertama: beri tanda kutip pada teks yang memuat pemisah",
        ),
        _ => Text::new("cannot be taken", "tidak dapat diterima"),
    }
}
