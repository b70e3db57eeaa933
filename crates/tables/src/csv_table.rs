//! CSV tables for spreadsheets.

use std::borrow::Cow;

use axum::http::{HeaderName, header};

/// The byte order mark at the beginning of a table, which makes spreadsheets read UTF-8.
pub const MARK: &str = "\u{feff}";

/// What may separate cells, in the view of one spreadsheet or another.
const SEPARATORS: [char; 4] = [';', '\t', '\n', '\r'];

/// Adds a line to a table. No spreadsheet runs one of its cells as a formula.
pub fn push_line<T: AsRef<str>>(table: &mut String, cells: &[T]) {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            table.push(',');
        }
        table.push_str(&quoted(&harmless(cell.as_ref())));
    }
    table.push_str("\r\n");
}

/// The headers of a downloaded table. `file_name` must have only characters that a header can hold.
pub fn headers(file_name: &str) -> [(HeaderName, String); 2] {
    [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file_name}\""),
        ),
    ]
}

/// A cell that no spreadsheet runs as a formula (OWASP, "CSV Injection"). An apostrophe makes a formula a text. Negative
/// numbers and phone numbers stay as they are.
///
/// A spreadsheet may not take the comma as the separator: where the comma is the decimal sign, as in Indonesia, it takes
/// the semicolon, and a quote within its cell means nothing. Each part of the cell may then be a cell of its own.
fn harmless(cell: &str) -> Cow<'_, str> {
    let parts = || cell.split_inclusive(SEPARATORS);
    if !parts().any(begins_formula) {
        return Cow::Borrowed(cell);
    }
    let mut text = String::with_capacity(cell.len() + 1);
    for part in parts() {
        if begins_formula(part) {
            text.push('\'');
        }
        text.push_str(part);
    }
    Cow::Owned(text)
}

/// A cell of one of our exports without the apostrophes that [`push_line`] has put before formulas.
pub(crate) fn unprotected(cell: &str) -> Cow<'_, str> {
    let mut text = String::new();
    let (mut copied, mut start) = (0, 0);
    for part in cell.split_inclusive(SEPARATORS) {
        if part.strip_prefix('\'').is_some_and(begins_formula) {
            text.push_str(&cell[copied..start]);
            copied = start + 1;
        }
        start += part.len();
    }
    if copied == 0 {
        return Cow::Borrowed(cell);
    }
    text.push_str(&cell[copied..]);
    Cow::Owned(text)
}

/// Whether a spreadsheet may run this text as a formula: also with spaces or quotes before the sign, which it removes, and
/// with the wide signs of East Asian keyboards. Apostrophes before it do not matter, so that each export adds exactly the one
/// that an import takes off.
fn begins_formula(part: &str) -> bool {
    let text = part.trim_start_matches([' ', '"', '\'', '\u{a0}', '\u{3000}']);
    text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
        && !is_number(text.trim_end_matches(SEPARATORS))
}

/// Whether a cell is a negative number or a phone number with its country code.
fn is_number(cell: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(phone) = cell.strip_prefix('+') {
        return digits(phone);
    }
    cell.strip_prefix('-').is_some_and(|number| {
        number.split_once('.').map_or_else(
            || digits(number),
            |(whole, decimals)| digits(whole) && digits(decimals),
        )
    })
}

/// Quotes a cell as in RFC 4180.
fn quoted(cell: &str) -> Cow<'_, str> {
    if cell.contains(['"', ',', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_not_run() {
        let mut table = String::new();
        push_line(
            &mut table,
            &[
                "a",
                "A, B",
                "=HYPERLINK(\"x\")",
                "",
                "-1",
                "-12.5",
                "-1+1",
                "-",
                "-.5",
                "+62812",
                "+62812+1",
                "+",
                "two\nlines",
            ],
        );
        assert_eq!(
            table,
            "a,\"A, B\",\"'=HYPERLINK(\"\"x\"\")\",,-1,-12.5,'-1+1,'-,'-.5,+62812,'+62812+1,'+,\"two\nlines\"\r\n"
        );
    }

    #[test]
    fn no_part_of_a_cell_is_a_formula_for_any_separator() {
        for (cell, expected) in [
            ("Solo;=cmd|' /C calc'!A0;", "Solo;'=cmd|' /C calc'!A0;"),
            ("Solo;\"=1+1;", "\"Solo;'\"\"=1+1;\""),
            ("Solo; @SUM(A1)", "Solo;' @SUM(A1)"),
            ("Solo\n=1+1", "\"Solo\n'=1+1\""),
            ("Solo\t-1-1", "Solo\t'-1-1"),
            ("  =1", "'  =1"),
            ("\"=1", "\"'\"\"=1\""),
            ("＝1+1", "'＝1+1"),
            ("＠x", "'＠x"),
            ("vip; -1; +62812; grosir", "vip; -1; +62812; grosir"),
            ("vip;-1;+62812;grosir", "vip;-1;+62812;grosir"),
            ("'=1", "''=1"),
            ("'-1;'x;'=1", "'-1;'x;''=1"),
            ("a=1, b-2; c", "\"a=1, b-2; c\""),
        ] {
            let mut table = String::new();
            push_line(&mut table, &[cell]);
            assert_eq!(table, format!("{expected}\r\n"), "{cell}");
            assert_eq!(unprotected(&harmless(cell)), cell, "read again");
        }
    }
}
