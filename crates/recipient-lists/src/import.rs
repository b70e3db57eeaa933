//! The import of a file into a recipient list.

use std::ops::Not;

use super::row_reader::{Columns, Entry};
use crm_core::error::ApiError;
use crm_core::text::Text;
use tables::file_import::inspection;
use tables::file_import::row_problem::RowProblem;
use tables::file_import::{FileImport, Import, ImportFunctions, NewFile};
use tables::table_file::Row;

/// The import of files into recipient lists.
pub struct ListImport;

impl FileImport for ListImport {
    type Entry = Entry;
    type Columns = Columns;
    const FUNCTIONS: ImportFunctions = ImportFunctions {
        id: "list_id",
        claim: "claim_recipient_import",
        record: "record_recipient_import",
        release: "release_recipient_import",
        finish: "finish_recipient_import",
        errors: "list_recipient_list_errors",
        errors_table: "recipient_list_errors",
    };

    fn columns(first: &Row, import: &Import) -> Option<(Columns, u32)> {
        let columns = Columns::of(first, &import.country)?;
        let header = columns.headless.not().then_some(first.line);
        Some((columns, header.unwrap_or_default()))
    }

    fn read(columns: &Columns, row: &Row, import: &Import) -> Result<Entry, Vec<RowProblem>> {
        columns.read(row, &import.country)
    }
}

/// The result of inspecting a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inspection {
    /// The variables, in the order of the columns.
    pub(super) columns: Vec<String>,
    pub(super) total_rows: usize,
}

impl Inspection {
    /// Inspects a file before it is imported, and reports problems of the whole file at once.
    pub(super) async fn of(file: &NewFile, country: String) -> Result<Self, ApiError> {
        let found = file.inspect(move |first| variables(first, &country)).await?;
        let (columns, total_rows) = found;
        Ok(Self { columns, total_rows })
    }
}

fn variables(first: &Row, country: &str) -> Result<(Vec<String>, bool), Text> {
    let columns = Columns::of(first, country).ok_or_else(inspection::without_numbers)?;
    let names = columns.variable_names().into_iter().map(str::to_owned).collect();
    Ok((names, columns.headless))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crm_core::text::Language;

    fn looked(text: &str) -> Result<Inspection, String> {
        let looked = inspection::look(Bytes::copy_from_slice(text.as_bytes()), |first| {
            variables(first, "ID")
        });
        looked
            .map(|(columns, total_rows)| Inspection { columns, total_rows })
            .map_err(|problem| problem.in_language(Language::English).to_owned())
    }

    #[test]
    fn columns_and_rows_of_a_table_are_found() {
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
    fn problems_of_the_whole_file_are_reported() {
        for (text, problem) in [
            ("", "has no rows"),
            ("nama,no hp\n", "has no rows"),
            ("nama,kota\nAni,Solo", "no column holds phone numbers"),
            ("{\"a\":\u{0}1}", "is neither"),
        ] {
            assert!(
                looked(text).is_err_and(|found| found.starts_with(problem)),
                "{text}"
            );
        }
        let long = format!("hp\n{}", "6281234567890\n".repeat(200_000 + 1));
        assert_eq!(looked(&long), Err("has more than 200,000 rows".to_owned()));
        assert_eq!(
            looked(&long[..long.len() - 14]).map(|found| found.total_rows),
            Ok(200_000)
        );
    }
}
