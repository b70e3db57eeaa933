//! Reads the first visible sheet of an XLSX file.

use std::borrow::Cow;
use std::io::{Cursor, Read, copy, sink};
use std::ops::ControlFlow;

use bytes::Bytes;
use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx};
use zip::ZipArchive;

use super::{Cell, Each, MAX_COLUMNS, Row, TableFileError, clean};

/// The largest unpacked size of a file. 100,000 rows of ten columns have 50 MB.
const MAX_UNPACKED: u64 = 300_000_000;
/// The part of it that may be kept in memory: the texts that cells share, and everything that is not a sheet.
const MAX_KEPT: u64 = 80_000_000;

/// Unpacks a file once without keeping anything, to verify that it can be read in bounded memory. The sizes that the
/// archive states are unreliable.
pub(super) fn check(bytes: &Bytes) -> Result<(), TableFileError> {
    let damaged = |_| TableFileError::Damaged;
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| TableFileError::Damaged)?;
    let is_workbook = |name: Result<_, _>| name.is_ok_and(|name: Cow<'_, str>| name.starts_with("xl/"));
    if !archive.file_names().any(is_workbook) {
        return Err(TableFileError::Unknown);
    }
    let (mut unpacked, mut kept) = (0, 0);
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|_| TableFileError::Damaged)?;
        let name = file.name().map_err(|_| TableFileError::Damaged)?;
        let is_sheet = name.starts_with("xl/worksheets/") || name.starts_with("xl/media/");
        let length = copy(&mut file.take(MAX_UNPACKED + 1), &mut sink()).map_err(damaged)?;
        unpacked += length;
        kept += if is_sheet { 0 } else { length };
        if unpacked > MAX_UNPACKED || kept > MAX_KEPT {
            return Err(TableFileError::TooLarge);
        }
    }
    Ok(())
}

/// Hands out the rows.
pub(super) fn read(bytes: Bytes, each: Each<'_>) -> Result<(), TableFileError> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|_| TableFileError::Damaged)?;
    let sheet = book
        .sheets_metadata()
        .iter()
        .find(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible)
        .map(|sheet| sheet.name.clone())
        .ok_or(TableFileError::Empty)?;
    let mut cells = book
        .worksheet_cells_reader(&sheet)
        .map_err(|_| TableFileError::Damaged)?;
    let mut row = Row {
        line: 0,
        cells: Vec::new(),
    };
    while let Some(cell) = cells.next_cell().map_err(|_| TableFileError::Damaged)? {
        let (line, column) = cell.get_position();
        let line = line.saturating_add(1);
        if line != row.line {
            if !row.cells.is_empty()
                && each(std::mem::replace(
                    &mut row,
                    Row {
                        line,
                        cells: Vec::new(),
                    },
                ))? == ControlFlow::Break(())
            {
                return Ok(());
            }
            row.line = line;
        }
        let Some(value) = value_of(cell.get_value()) else {
            continue;
        };
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if column >= MAX_COLUMNS {
            return Err(TableFileError::TooWide);
        }
        // Missing cells are empty. If a cell occurs twice, the later one counts.
        row.cells
            .resize(row.cells.len().max(column + 1), Cell::Text(String::new()));
        row.cells[column] = value;
    }
    if row.cells.is_empty() {
        Ok(())
    } else {
        each(row).map(|_| ())
    }
}

/// The text of a cell. None if it is empty.
fn value_of(value: &DataRef<'_>) -> Option<Cell> {
    let cell = match value {
        DataRef::Empty | DataRef::Error(_) => return None,
        DataRef::Int(number) => Cell::Number(number.to_string()),
        DataRef::Float(number) => Cell::Number(number.to_string()),
        DataRef::String(text) => Cell::Text(clean(text)),
        DataRef::SharedString(text) => Cell::Text(clean(text)),
        DataRef::Bool(yes) => Cell::Text(yes.to_string()),
        DataRef::DateTime(moment) => Cell::Text(written(moment)),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::Text(clean(text)),
    };
    (!cell.as_str().is_empty()).then_some(cell)
}

/// The moment as `2024-02-17`, `2024-02-17 09:30`, or only a time.
fn written(moment: &ExcelDateTime) -> String {
    let serial = moment.as_f64();
    if moment.is_duration() || !(0.0..3_000_000.0).contains(&serial) {
        return serial.to_string();
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    let seconds = if second == 0 {
        String::new()
    } else {
        format!(":{second:02}")
    };
    let time = format!("{hour:02}:{minute:02}{seconds}");
    if serial < 1.0 {
        time
    } else if serial.fract() == 0.0 {
        date
    } else {
        format!("{date} {time}")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;
    use crate::table_file::TableFile;

    const WORKBOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Hidden" sheetId="1" state="hidden" r:id="rId1"/><sheet name="Data" sheetId="2" r:id="rId2"/></sheets></workbook>"#;
    const RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet2.xml"/></Relationships>"#;
    const ROOT: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
    const STYLES: &str = r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>"#;
    const STRINGS: &str = r#"<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" count="3" uniqueCount="3"><si><t>nama</t></si><si><t xml:space="preserve"> no hp </t></si><si><r><t>Bu</t></r><r><t>di</t></r></si></sst>"#;

    fn sheet(rows: &str) -> String {
        format!(
            r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#
        )
    }

    fn book(rows: &str) -> Bytes {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in [
            ("_rels/.rels", ROOT.to_owned()),
            ("xl/workbook.xml", WORKBOOK.to_owned()),
            ("xl/_rels/workbook.xml.rels", RELATIONS.to_owned()),
            ("xl/styles.xml", STYLES.to_owned()),
            ("xl/sharedStrings.xml", STRINGS.to_owned()),
            (
                "xl/worksheets/sheet1.xml",
                sheet(r#"<row r="1"><c r="A1"><v>1</v></c></row>"#),
            ),
            ("xl/worksheets/sheet2.xml", sheet(rows)),
        ] {
            archive.start_file(name, SimpleFileOptions::default()).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
        Bytes::from(archive.finish().unwrap().into_inner())
    }

    fn rows(bytes: Bytes) -> Result<Vec<Row>, TableFileError> {
        let mut rows = Vec::new();
        TableFile::open(bytes)?.read(|row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    #[test]
    fn numbers_dates_and_shared_texts_are_read_as_shown() {
        let bytes = book(
            r#"<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="inlineStr"><is><t>tanggal</t></is></c><c r="E1" t="str"><v>total</v></c></row>
               <row r="3"><c r="A3" t="s"><v>2</v></c><c r="B3"><v>6.28123456789E+12</v></c><c r="C3" s="1"><v>45339</v></c><c r="D3" t="e"><v>#N/A</v></c><c r="E3"><v>150000.5</v></c></row>
               <row r="4"><c r="A4" t="inlineStr"><is><t> </t></is></c><c r="B4"/></row>
               <row r="5"><c r="B5"><v>81234567890</v></c><c r="C5" s="1"><v>45339.395833333336</v></c></row>"#,
        );
        let text = |text: &str| Cell::Text(text.to_owned());
        let number = |text: &str| Cell::Number(text.to_owned());
        assert_eq!(
            rows(bytes).unwrap(),
            [
                Row {
                    line: 1,
                    cells: vec![
                        text("nama"),
                        text("no hp"),
                        text("tanggal"),
                        text(""),
                        text("total")
                    ]
                },
                Row {
                    line: 3,
                    cells: vec![
                        text("Budi"),
                        number("6281234567890"),
                        text("2024-02-17"),
                        text(""),
                        number("150000.5")
                    ]
                },
                Row {
                    line: 5,
                    cells: vec![text(""), number("81234567890"), text("2024-02-17 09:30")]
                },
            ]
        );
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_before_it_is_unpacked() {
        let blank = " ".repeat(1_000_000);
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        archive
            .start_file("xl/workbook.xml", SimpleFileOptions::default())
            .unwrap();
        archive.write_all(WORKBOOK.as_bytes()).unwrap();
        archive
            .start_file("xl/sharedStrings.xml", SimpleFileOptions::default())
            .unwrap();
        for _ in 0..=MAX_KEPT / 1_000_000 {
            archive.write_all(blank.as_bytes()).unwrap();
        }
        let bomb = Bytes::from(archive.finish().unwrap().into_inner());
        assert!(bomb.len() < 1_000_000, "{} bytes", bomb.len());
        assert_eq!(rows(bomb), Err(TableFileError::TooLarge));
    }

    #[test]
    fn rows_out_of_order_and_cells_far_out_are_refused() {
        let backwards =
            book(r#"<row r="3"><c r="A3"><v>1</v></c></row><row r="2"><c r="A2"><v>2</v></c></row>"#);
        assert_eq!(rows(backwards), Err(TableFileError::Damaged));
        let wide = book(r#"<row r="1"><c r="XFD1"><v>1</v></c></row>"#);
        assert_eq!(rows(wide), Err(TableFileError::TooWide));
        let broken = book("<row r=\"1\"><c r=\"A1\"><v>1</v></c></row><row r=");
        assert_eq!(rows(broken), Err(TableFileError::Damaged));
    }

    #[test]
    fn an_archive_that_is_not_a_workbook_is_distinguished() {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        archive
            .start_file("word/document.xml", SimpleFileOptions::default())
            .unwrap();
        let document = Bytes::from(archive.finish().unwrap().into_inner());
        assert_eq!(rows(document), Err(TableFileError::Unknown));
        assert_eq!(rows(book("")), Ok(Vec::new()));
    }
}
