//! Writes XLSX as a stream: one sheet whose cells hold their own texts, so that nothing must be collected until the
//! end.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use zip::write::{SimpleFileOptions, StreamWriter, ZipWriter};

/// The most rows of a sheet.
const MAX_ROWS: u32 = 1_048_576;
/// The most characters of a cell.
const MAX_CHARACTERS: usize = 32_767;

const SHEET: &str = "xl/worksheets/sheet1.xml";
const SHEET_HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>"#;
const SHEET_END: &str = "</sheetData></worksheet>";

/// The parts that are the same in every workbook.
const PARTS: [(&str, &str); 5] = [
    (
        "[Content_Types].xml",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>"#,
    ),
    (
        "_rels/.rels",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    ),
    (
        "xl/workbook.xml",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Data" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
    ),
    (
        "xl/_rels/workbook.xml.rels",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#,
    ),
    // Format 49 is text: a cell stays text when a person edits it.
    (
        "xl/styles.xml",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs></styleSheet>"#,
    ),
];

/// A workbook that is being written.
pub(super) struct Spreadsheet {
    archive: ZipWriter<StreamWriter<Written>>,
    written: Written,
    rows: u32,
    line: String,
}

impl Spreadsheet {
    pub(super) fn new() -> io::Result<Self> {
        let written = Written::default();
        let mut archive = ZipWriter::new_stream(written.clone());
        let options = SimpleFileOptions::default();
        for (name, part) in PARTS {
            archive.start_file(name, options)?;
            archive.write_all(part.as_bytes())?;
        }
        archive.start_file(SHEET, options)?;
        archive.write_all(SHEET_HEAD.as_bytes())?;
        Ok(Self {
            archive,
            written,
            rows: 0,
            line: String::new(),
        })
    }

    pub(super) fn push<T: AsRef<str>>(&mut self, cells: &[T]) -> io::Result<()> {
        if self.rows == MAX_ROWS {
            return Err(io::Error::other("a sheet holds 1,048,576 rows"));
        }
        self.rows += 1;
        self.line.clear();
        self.line.push_str(&format!("<row r=\"{}\">", self.rows));
        for cell in cells {
            push_cell(&mut self.line, cell.as_ref());
        }
        self.line.push_str("</row>");
        self.archive.write_all(self.line.as_bytes())
    }

    pub(super) fn take(&mut self) -> Bytes {
        self.written.take()
    }

    pub(super) fn finish(mut self) -> io::Result<Bytes> {
        self.archive.write_all(SHEET_END.as_bytes())?;
        self.archive.finish()?;
        Ok(self.written.take())
    }
}

/// Cells follow each other without their names, so an empty cell must be written too.
fn push_cell(line: &mut String, text: &str) {
    if text.is_empty() {
        line.push_str("<c s=\"1\"/>");
        return;
    }
    line.push_str("<c s=\"1\" t=\"inlineStr\"><is><t xml:space=\"preserve\">");
    for character in text.chars().take(MAX_CHARACTERS) {
        match character {
            '&' => line.push_str("&amp;"),
            '<' => line.push_str("&lt;"),
            '>' => line.push_str("&gt;"),
            '\n' | '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => line.push(character),
            // XML cannot represent the other characters.
            _ => {}
        }
    }
    line.push_str("</t></is></c>");
}

/// The bytes that the archive has written and that were not taken yet.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Bytes {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Bytes::from(std::mem::take(&mut *bytes))
    }
}

impl Write for Written {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
