//! Files that claim more than they hold, or hold more than they seem to.

use std::io::{Cursor, Write};

use zip::write::{SimpleFileOptions, ZipWriter};

use crate::memory::{alone, rows_of};
use crate::workbook::{packed, parts, with, with_rows};

const TOO_LARGE: &str = "holds too much when unpacked: split it";
const DAMAGED: &str = "is damaged and cannot be read";
/// More than a short file may unpack to.
const UNPACKED: usize = 8_000_000;
const ROW_TOO_LONG: &str = "has a row of more than 1 MB: look for a quotation mark that is not closed";
const TOO_WIDE: &str = "has more than 200 columns";

fn refusal(file: &[u8]) -> String {
    rows_of(file).unwrap_err()
}

#[test]
fn numbers_of_texts_that_a_file_claims_are_not_believed() {
    let _turn = alone();
    for claim in ["4294967295", "18446744073709551615", "-1", "many"] {
        let texts = format!(
            r#"<sst count="{claim}" uniqueCount="{claim}"><si><t>a</t></si><si><t>b</t></si><si><t>c</t></si><si><t>d</t></si><si><t>e</t></si></sst>"#
        );
        let file = with("xl/sharedStrings.xml", texts);
        assert!(file.len() < 4000, "{} bytes", file.len());
        assert_eq!(rows_of(&file), Ok(4), "{claim}");
    }
}

#[test]
fn ranges_that_a_file_claims_are_not_believed() {
    let _turn = alone();
    let sheet = String::from_utf8(parts().pop().unwrap().1).unwrap();
    for (honest, claim) in [
        (r#"ref="A1:D4""#, r#"ref="A1:XFD1048576""#),
        (r#"ref="D2:D4""#, r#"ref="A1:XFD1048576""#),
        (r#"si="0""#, r#"si="4294967294""#),
        (r#"spans="1:4""#, r#"spans="1:4294967295""#),
        (r#"<col min="1" max="4""#, r#"<col min="1" max="4294967295""#),
        (
            r#"<mergeCells count="1"><mergeCell ref="A1:B1"/>"#,
            r#"<mergeCells count="4294967295"><mergeCell ref="A1:XFD1048576"/>"#,
        ),
    ] {
        assert!(sheet.contains(honest), "{honest}");
        let file = with("xl/worksheets/sheet1.xml", sheet.replace(honest, claim));
        assert_eq!(rows_of(&file), Ok(4), "{claim}");
    }
    let styles = r#"<styleSheet><numFmts count="4294967295"/><cellXfs count="4294967295"><xf numFmtId="0"/></cellXfs></styleSheet>"#;
    assert_eq!(rows_of(&with("xl/styles.xml", styles)), Ok(4));
}

#[test]
fn places_outside_a_sheet_are_refused() {
    let _turn = alone();
    let cell = |place: &str| with_rows(&format!(r#"<row><c r="{place}"><v>1</v></c></row>"#));
    assert_eq!(rows_of(&cell("A1048576")), Ok(1));
    assert_eq!(refusal(&cell("XFD1")), TOO_WIDE);
    for place in [
        "A1048577",
        "A4294967296",
        "A0",
        "A",
        "1",
        "",
        "XFE1",
        "ZZZZZZZZZZZZ1",
        "A99999999999999999999",
        "É1",
        "A-1",
    ] {
        assert_eq!(refusal(&cell(place)), DAMAGED, "{place}");
    }
    let row = |place: &str| with_rows(&format!(r#"<row r="{place}"><c><v>1</v></c></row>"#));
    assert_eq!(rows_of(&row("1048576")), Ok(1));
    assert_eq!(refusal(&row("4294967295")), DAMAGED);
}

#[test]
fn empty_rows_end_where_a_sheet_ends() {
    let _turn = alone();
    let file = with_rows(&"<row/>".repeat(2_000_000));
    assert_eq!(refusal(&file), TOO_LARGE);
    let numbered: String = (1..=1_048_577).map(|row| format!("<row r=\"{row}\"/>")).collect();
    assert_eq!(
        refusal(&with_rows(&numbered)),
        TOO_LARGE,
        "one row more than Excel has"
    );
}

#[test]
fn small_files_that_unpack_to_large_ones_are_refused() {
    let _turn = alone();
    for (part, start, piece, end) in [
        ("xl/sharedStrings.xml", "<sst>", "<si/>", "</sst>"),
        (
            "xl/sharedStrings.xml",
            "<sst>",
            "<si><t>aaaaaaaaaaaaaaaaaaaaaaaa</t></si>",
            "</sst>",
        ),
        ("xl/sharedStrings.xml", "<sst><si><t>", "a", "</t></si></sst>"),
        (
            "xl/sharedStrings.xml",
            "<sst><si>",
            "<r><t>a</t></r>",
            "</si></sst>",
        ),
        ("xl/sharedStrings.xml", "<sst a='", "a", "'></sst>"),
        ("xl/sharedStrings.xml", "<!--", "a", "--><sst></sst>"),
        (
            "xl/styles.xml",
            "<styleSheet><cellXfs>",
            "<xf/>",
            "</cellXfs></styleSheet>",
        ),
        (
            "xl/workbook.xml",
            "<workbook><sheets>",
            "<sheet id='rId1'/>",
            "</sheets></workbook>",
        ),
        (
            "xl/_rels/workbook.xml.rels",
            "<Relationships>",
            "<Relationship Id='rId1'/>",
            "</Relationships>",
        ),
        (
            "_rels/.rels",
            "<Relationships>",
            "<Relationship Id='rId1'/>",
            "</Relationships>",
        ),
        (
            "xl/worksheets/sheet1.xml",
            "<worksheet><sheetData><row>",
            "<c/>",
            "</row></sheetData></worksheet>",
        ),
        (
            "xl/worksheets/sheet1.xml",
            "<worksheet><sheetData><row><c t='str'><v>",
            "a",
            "</v></c></row></sheetData></worksheet>",
        ),
        (
            "xl/worksheets/sheet1.xml",
            "<worksheet>",
            "<cols/>",
            "<sheetData/></worksheet>",
        ),
        (
            "xl/worksheets/sheet1.xml",
            "<worksheet><sheetData/>",
            " ",
            "</worksheet>",
        ),
    ] {
        let file = with(
            part,
            format!("{start}{}{end}", piece.repeat(UNPACKED / piece.len())),
        );
        assert!(file.len() < 200_000, "{} bytes of {part} {piece}", file.len());
        let looked = rows_of(&file);
        // What shrinks less than that may be read.
        if file.len() * 200 < UNPACKED {
            assert_eq!(looked, Err(TOO_LARGE.to_owned()), "{part} {piece}");
        }
    }
}

#[test]
fn elements_within_elements_are_refused() {
    let _turn = alone();
    for part in [
        "xl/sharedStrings.xml",
        "xl/styles.xml",
        "xl/workbook.xml",
        "xl/worksheets/sheet1.xml",
    ] {
        assert_eq!(refusal(&with(part, "<a>".repeat(100_000))), DAMAGED, "{part}");
    }
}

#[test]
fn one_long_format_for_many_cells_is_kept_once() {
    let _turn = alone();
    let styles = format!(
        r#"<styleSheet><numFmts><numFmt numFmtId="200" formatCode="{}"/></numFmts><cellXfs>{}</cellXfs></styleSheet>"#,
        "0".repeat(900_000),
        r#"<xf numFmtId="200"/>"#.repeat(100_000)
    );
    assert_eq!(rows_of(&with("xl/styles.xml", styles)), Ok(4));
}

#[test]
fn archives_that_claim_or_hold_too_many_entries_are_refused() {
    let _turn = alone();
    let mut many = parts();
    many.extend((0..10_000).map(|number| (format!("xl/media/{number}.png"), Vec::new())));
    assert_eq!(refusal(&packed(&many)), TOO_LARGE);

    // A ZIP64 record states the number of entries in eight bytes, and nothing else in the file does.
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive
        .start_file("xl/workbook.xml", SimpleFileOptions::default())
        .unwrap();
    archive.write_all(&[7; 3_000_000]).unwrap();
    let file = archive.finish().unwrap().into_inner();
    let end = file.len() - 22;
    let directory = u64::from(u32::from_le_bytes(file[end + 16..end + 20].try_into().unwrap()));
    for claimed in [2_000_000_u64, 1 << 40, u64::MAX] {
        let mut lying = file[..end].to_vec();
        lying.extend(b"PK\x06\x06");
        for number in [44, 0x002d_002d, 0] {
            lying.extend(u64::to_le_bytes(number));
        }
        lying.truncate(lying.len() - 4);
        for number in [claimed, claimed, claimed.saturating_mul(46), directory] {
            lying.extend(number.to_le_bytes());
        }
        lying.extend(b"PK\x06\x07\0\0\0\0");
        lying.extend((end as u64).to_le_bytes());
        lying.extend([1, 0, 0, 0]);
        lying.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
        assert_eq!(refusal(&lying), TOO_LARGE, "{claimed}");
    }
}

#[test]
fn sizes_that_an_archive_claims_are_not_believed() {
    let _turn = alone();
    let file = packed(&parts());
    // The unpacked and the packed size of every entry, in its own header and in the list.
    for (signature, packed_size, unpacked_size) in [(b"PK\x03\x04", 18, 22), (b"PK\x01\x02", 20, 24)] {
        for place in [packed_size, unpacked_size] {
            for claim in [0_u32, 1, 0xffff_fff0] {
                let mut lying = file.clone();
                let entries: Vec<usize> = (0..lying.len() - 4)
                    .filter(|start| lying[*start..].starts_with(signature))
                    .collect();
                for start in entries {
                    lying[start + place..start + place + 4].copy_from_slice(&claim.to_le_bytes());
                }
                // Read or refused: the memory is what counts.
                drop(rows_of(&lying));
            }
        }
    }
}

#[test]
fn quotation_marks_that_are_not_closed_are_found() {
    let _turn = alone();
    let unclosed = format!("nama,nomor\n\"Ani,62812\n{}", "Budi,62813\n".repeat(400_000));
    assert_eq!(refusal(unclosed.as_bytes()), ROW_TOO_LONG);
    let short = "nama,nomor\n\"Ani,62812\nBudi,62813\n";
    assert_eq!(rows_of(short.as_bytes()), Ok(2), "it may be meant");
}

#[test]
fn lines_without_an_end_are_refused() {
    let _turn = alone();
    for line in [
        "a", "a ", "\"", ",", ";", "\t", "|", "a,", "a;", "a\t", "a|", "\"a\",",
    ] {
        let problem = refusal(line.repeat(3_000_000 / line.len()).as_bytes());
        // A separator other than the comma is not seen where no row can be read.
        assert!(
            [TOO_WIDE, ROW_TOO_LONG].contains(&&*problem),
            "{line:?} {problem}"
        );
    }
    for separator in [",", ";", "\t", "|"] {
        let blank = format!("{}\n", separator.repeat(16_000)).repeat(100);
        assert_eq!(refusal(blank.as_bytes()), "has no rows", "{separator:?}");
    }
    assert_eq!(refusal("\n".repeat(3_000_000).as_bytes()), "has no rows");
    assert_eq!(
        refusal("a\n".repeat(1_500_000).as_bytes()),
        "has more than 200,000 rows"
    );
    // Every unit of UTF-16 becomes three bytes.
    let wide = [0xff, 0xfe].into_iter().chain([0x00, 0x4e].repeat(1_500_000));
    assert_eq!(refusal(&wide.collect::<Vec<u8>>()), ROW_TOO_LONG);
}
