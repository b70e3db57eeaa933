//! Why a row was not taken.

use serde::Serialize;

use crate::phone_number::PhoneProblem;
use crm_core::text::Text;

/// As much of a value as tells people what is meant.
const MAX_SHOWN: usize = 200;

/// What is wrong with one value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowProblem {
    /// The line of the file.
    pub line: u32,
    /// The column, as the file names it. Empty where it is the row.
    pub field: String,
    /// The problem, for programs.
    pub code: &'static str,
    /// The value, or its beginning.
    pub value: String,
}

impl RowProblem {
    /// The problem of one value, of which as much is kept as people need.
    pub fn new(line: u32, field: &str, code: &'static str, value: &str) -> Self {
        Self {
            line,
            field: field.to_owned(),
            code,
            value: value.chars().take(MAX_SHOWN).collect(),
        }
    }
}

/// The name is longer than a contact's.
pub const NAME_TOO_LONG: &str = "name_too_long";
/// The value is longer than is kept.
pub const VALUE_TOO_LONG: &str = "value_too_long";
/// The address is no e-mail address.
pub const EMAIL_INVALID: &str = "email_invalid";
/// The language is none.
pub const LANGUAGE_INVALID: &str = "language_invalid";
/// The contact has more tags than are kept.
pub const TOO_MANY_TAGS: &str = "too_many_tags";
/// The row has more cells than are read.
pub const TOO_MANY_CELLS: &str = "too_many_cells";
/// The value does not fit its field.
pub const FIELD_INVALID: &str = "field_invalid";

/// For people. `first_line` is where a duplicate stood first.
pub fn text_of(code: &str, first_line: Option<u32>) -> Text {
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
            "does not fit the type of this field",
            "tidak sesuai dengan jenis isian ini",
        ),
        ("label_unknown", _) => Text::new("there is no such label", "tidak ada label seperti itu"),
        ("owner_unknown", _) => Text::new(
            "nobody of the organisation has this e-mail address or name",
            "tidak ada orang dalam organisasi dengan alamat e-mail atau nama ini",
        ),
        (VALUE_TOO_LONG, _) => Text::new("exceeds 1024 characters", "lebih dari 1024 karakter"),
        (TOO_MANY_CELLS, _) => Text::new(
            "the row has more cells than the first row has columns: put texts that contain the separator in quotes",
            "baris ini berisi lebih banyak sel daripada kolom di baris pertama: beri tanda kutip pada teks yang memuat pemisah",
        ),
        _ => Text::new("cannot be taken", "tidak dapat diterima"),
    }
}
