//! Reads the first visible sheet of an XLSX file.
//!
//! The file is read as a stream, and only the parts that matter to its rows. No size that the file states is believed: not
//! those of the archive, nor the number of texts, nor the range that the sheet says it fills.

mod archive;
mod cell_text;
mod number_formats;
mod shared_texts;
mod sheet;
mod workbook;
mod xml;

use bytes::Bytes;

use super::{Each, TableFileError};
use archive::Archive;
use number_formats::NumberFormats;
use shared_texts::SharedTexts;
use sheet::Sheet;
use workbook::Workbook;

/// Verifies that the file is an archive with a workbook.
pub(super) fn check(bytes: Bytes) -> Result<(), TableFileError> {
    Archive::open(bytes).map(|_| ())
}

/// Hands out the rows.
pub(super) fn read(bytes: Bytes, each: Each<'_>) -> Result<(), TableFileError> {
    let mut archive = Archive::open(bytes)?;
    let workbook = Workbook::read(&mut archive)?;
    let sheet = Sheet {
        texts: &SharedTexts::read(&mut archive, &workbook.folder)?,
        formats: &NumberFormats::read(&mut archive, &workbook.folder)?,
        counts_from_1904: workbook.counts_from_1904,
    };
    sheet.read(&mut archive, &workbook.sheet, each)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};
    use std::ops::ControlFlow;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;
    use crate::table_file::{Cell, Row, TableFile};

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
        for (name, content) in [
            ("_rels/.rels", ROOT),
            ("xl/workbook.xml", WORKBOOK),
            ("xl/_rels/workbook.xml.rels", RELATIONS),
        ] {
            archive.start_file(name, SimpleFileOptions::default()).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
        archive
            .start_file("xl/sharedStrings.xml", SimpleFileOptions::default())
            .unwrap();
        for _ in 0..=80 {
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
