//! The reason why a row was not imported.

use serde::Serialize;

use crate::phone_number::PhoneProblem;
use crm_core::text::Text;

/// The length to which shown values are cut.
const MAX_SHOWN: usize = 200;

/// A problem with one value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowProblem {
    /// The line of the file.
    pub line: u32,
    /// The column's name in the file. Empty if the whole row is wrong.
    pub field: String,
    /// The code of the problem, for programs.
    pub code: &'static str,
    /// The value, or its beginning.
    pub value: String,
}

impl RowProblem {
    /// The problem of one value, which is cut to a readable length.
    pub fn new(line: u32, field: &str, code: &'static str, value: &str) -> Self {
        Self {
            line,
            field: field.to_owned(),
            code,
            value: value.chars().take(MAX_SHOWN).collect(),
        }
    }
}

/// The name is too long.
pub const NAME_TOO_LONG: &str = "name_too_long";
/// The value is too long.
pub const VALUE_TOO_LONG: &str = "value_too_long";
/// The value is not an e-mail address.
pub const EMAIL_INVALID: &str = "email_invalid";
/// The value is not a language code.
pub const LANGUAGE_INVALID: &str = "language_invalid";
/// There are too many tags, or one is too long.
pub const TOO_MANY_TAGS: &str = "too_many_tags";
/// The row has more cells than the table has columns.
pub const TOO_MANY_CELLS: &str = "too_many_cells";
/// The value does not match the type of its field.
pub const FIELD_INVALID: &str = "field_invalid";

/// The sentence for people. `first_line` is the line of the first occurrence of a duplicate.
pub fn text_of(code: &str, first_line: Option<u32>) -> Text {
    if let Some(problem) = PhoneProblem::from_code(code) {
        return problem.text();
    }
    match (code, first_line) {
        ("duplicate", Some(line)) => Text::new(
            format!("the same number as in line {line}, which is kept"),
            format!("nomor yang sama dengan baris {line}, yang dipertahankan"),
        ),
        ("duplicate", None) => Text::new("the number exists already", "nomor ini sudah ada"),
        (NAME_TOO_LONG, _) => Text::new("the name exceeds 200 characters", "nama lebih dari 200 karakter"),
        (EMAIL_INVALID, _) => Text::new("is not an e-mail address", "bukan alamat e-mail"),
        (LANGUAGE_INVALID, _) => Text::new(
            "is not a language code such as id or en_US",
            "bukan kode bahasa, misalnya id atau en_US",
        ),
        (TOO_MANY_TAGS, _) => Text::new(
            "has more than 50 tags, or one of more than 50 characters",
            "berisi lebih dari 50 tag, atau tag yang lebih dari 50 karakter",
        ),
        (FIELD_INVALID, _) => Text::new(
            "does not match the type of this field",
            "tidak sesuai dengan jenis isian ini",
        ),
        ("label_unknown", _) => Text::new("there is no such label", "tidak ada label seperti itu"),
        ("owner_unknown", _) => Text::new(
            "no person of the organisation has this e-mail address or name",
            "tidak ada orang dalam organisasi dengan alamat e-mail atau nama ini",
        ),
        (VALUE_TOO_LONG, _) => Text::new("exceeds 1024 characters", "lebih dari 1024 karakter"),
        (TOO_MANY_CELLS, _) => Text::new(
            "the row has more cells than the first row has columns: put texts that contain the separator in quotes",
            "baris ini berisi lebih banyak sel daripada kolom di baris pertama: beri tanda kutip pada teks yang memuat pemisah",
        ),
        _ => Text::new("cannot be imported", "tidak dapat diterima"),
    }
}
