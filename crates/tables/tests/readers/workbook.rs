//! Workbooks as the tests make them: parts of XML in an archive.

use std::io::{Cursor, Write};

use zip::write::{SimpleFileOptions, ZipWriter};

/// Paths and what lies there.
pub(crate) type Parts = Vec<(String, Vec<u8>)>;

const ROOT: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#;
const WORKBOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><workbookPr date1904="false"/><sheets><sheet name="Pelanggan" sheetId="1" state="visible" r:id="rId1"/></sheets><definedNames><definedName name="_xlnm._FilterDatabase" localSheetId="0" hidden="1">Pelanggan!$A$1:$D$4</definedName></definedNames></workbook>"#;
const STYLES: &str = r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1"><numFmt numFmtId="164" formatCode="[$-421]dd\ mmmm\ yyyy;@"/></numFmts><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts><cellXfs count="3"><xf numFmtId="0" fontId="0"/><xf numFmtId="14" fontId="0"/><xf numFmtId="164" fontId="0" applyNumberFormat="1"/></cellXfs></styleSheet>"#;
const STRINGS: &str = r#"<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" count="6" uniqueCount="5"><si><t>nama</t></si><si><t xml:space="preserve"> no hp </t></si><si><r><t>Bu</t></r><r><rPr><b/></rPr><t>di</t></r><phoneticPr fontId="1"/></si><si><t>PT A &amp; B_x000D_</t></si><si><t>Siti</t><rPh sb="0" eb="1"><t>siti</t></rPh></si></sst>"#;
const SHEET: &str = r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:D4"/><sheetViews><sheetView workbookViewId="0"/></sheetViews><cols><col min="1" max="4" width="20"/></cols><sheetData><row r="1" spans="1:4"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="inlineStr"><is><t>tanggal</t></is></c><c r="D1" t="str"><f>"tot"&amp;"al"</f><v>total</v></c></row><row r="2" spans="1:4"><c r="A2" t="s"><v>2</v></c><c r="B2"><v>6281234567890</v></c><c r="C2" s="1"><v>45339</v></c><c r="D2"><f t="shared" ref="D2:D4" si="0">B2*2</f><v>1.5E+5</v></c></row><row r="3" spans="1:4"><c r="A3" t="s"><v>3</v></c><c r="B3" t="b"><v>1</v></c><c r="C3" s="2"><v>45339.4</v></c><c r="D3" t="e"><f t="shared" si="0"/><v>#N/A</v></c></row><row r="4"><c t="s"><v>4</v></c><c t="d"><v>2024-02-17T09:30:00</v></c></row></sheetData><mergeCells count="1"><mergeCell ref="A1:B1"/></mergeCells></worksheet>"#;

/// A workbook as Excel writes it, with four rows.
pub(crate) fn parts() -> Parts {
    [
        ("_rels/.rels", ROOT),
        ("xl/workbook.xml", WORKBOOK),
        ("xl/_rels/workbook.xml.rels", RELATIONS),
        ("xl/styles.xml", STYLES),
        ("xl/sharedStrings.xml", STRINGS),
        ("xl/worksheets/sheet1.xml", SHEET),
    ]
    .map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()))
    .into()
}

/// The workbook with another part in the place of one.
pub(crate) fn with(path: &str, content: impl Into<Vec<u8>>) -> Vec<u8> {
    let mut parts = parts();
    let part = parts.iter_mut().find(|(other, _)| other == path).unwrap();
    part.1 = content.into();
    packed(&parts)
}

/// The workbook with another sheet.
pub(crate) fn with_rows(rows: &str) -> Vec<u8> {
    let sheet = format!(
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#
    );
    with("xl/worksheets/sheet1.xml", sheet)
}

/// The archive of some parts.
pub(crate) fn packed(parts: &Parts) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in parts {
        archive
            .start_file(path.as_str(), SimpleFileOptions::default())
            .unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
