//! Tables for spreadsheets, as CSV.

use std::borrow::Cow;

use axum::http::{HeaderName, header};

/// The mark that has spreadsheets read UTF-8: a table begins with it.
pub const MARK: &str = "\u{feff}";

/// Adds a line to a table. No cell is taken for a formula.
pub fn push_line<T: AsRef<str>>(table: &mut String, cells: &[T]) {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            table.push(',');
        }
        table.push_str(&quoted(&harmless(cell.as_ref())));
    }
    table.push_str("\r\n");
}

/// The headers of a table that is downloaded. `file_name` has no characters that a header cannot hold.
pub fn headers(file_name: &str) -> [(HeaderName, String); 2] {
    [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file_name}\""),
        ),
    ]
}

/// A cell that no spreadsheet takes for a formula (OWASP, "CSV Injection"). A negative number is none.
fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_negative_number(cell) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
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

/// RFC 4180.
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
