//! CSV tables for spreadsheets.

use std::borrow::Cow;

use axum::http::{HeaderName, header};

/// The byte order mark at the beginning of a table, which makes spreadsheets read UTF-8.
pub const MARK: &str = "\u{feff}";

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

/// A cell that no spreadsheet runs as a formula (OWASP, "CSV Injection"). A negative number stays as it is.
fn harmless(cell: &str) -> Cow<'_, str> {
    if begins_as_formula(cell) && !is_negative_number(cell) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// Whether a spreadsheet would run the cell as a formula. Apostrophes before it do not matter, so that each export adds
/// exactly the one that an import takes off.
pub(crate) fn begins_as_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'')
        .starts_with(['=', '+', '-', '@', '\t', '\r'])
}

fn is_negative_number(cell: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
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
                "two\nlines",
            ],
        );
        assert_eq!(
            table,
            "a,\"A, B\",\"'=HYPERLINK(\"\"x\"\")\",,-1,-12.5,'-1+1,'-,'-.5,'+62812,\"two\nlines\"\r\n"
        );
    }
}
