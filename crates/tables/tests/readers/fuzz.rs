//! Mutated files, read within the memory that their length allows: see the crate `fuzzing`.

use fuzzing::{Random, fuzz, mutated};

use crate::memory::{alone, rows_of};
use crate::workbook::{packed, parts};

/// Words that often break readers of XML.
const STRANGE_XML: [&[u8]; 28] = [
    b"<",
    b">",
    b"/>",
    b"</c>",
    b"</row>",
    b"</sheetData>",
    b"<row>",
    b"<row r=\"4294967295\">",
    b"<c>",
    b"<c r=\"XFD1048576\">",
    b"<c r=\"A1\" t=\"s\"><v>4294967295</v></c>",
    b"<v>",
    b"<is><t>",
    b"<si>",
    b"<sst uniqueCount=\"18446744073709551615\">",
    b"<xf numFmtId=\"99999999999\"/>",
    b"count=\"4294967295\"",
    b"&#0;",
    b"&#x110000;",
    b"&lt;",
    b"&unknown;",
    b"<!DOCTYPE a [<!ENTITY b \"bbbb\">]>",
    b"<![CDATA[",
    b"<!--",
    b"<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
    b"1e308",
    b"_xD83D_",
    b"\xff\xfe",
];

/// Words that often break readers of CSV.
const STRANGE_TEXT: [&[u8]; 16] = [
    b"\"",
    b"\"\"",
    b",",
    b";",
    b"\t",
    b"|",
    b"\n",
    b"\r",
    b"\r\n",
    b"sep=;\n",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xf0\x9f\x98",
    b"PK\x03\x04",
    b"=HYPERLINK(\"x\")",
];

/// Words of the archive format.
const STRANGE_ZIP: [&[u8]; 8] = [
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x07\x08",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
];

/// Reads a file. What it says of rows fits what was read.
fn read(file: &[u8]) {
    if let Ok(rows) = rows_of(file) {
        assert!((1..=200_000).contains(&rows), "{rows} rows");
    }
}

#[test]
fn fuzz_parts_of_a_workbook() {
    let _turn = alone();
    let whole = parts();
    let samples: Vec<Vec<u8>> = whole.iter().map(|(_, content)| content.clone()).collect();
    fuzz(|random: &mut Random| {
        let mut changed = whole.clone();
        let place = random.below(changed.len());
        // Mostly a change of the part itself, and sometimes another part in its place.
        let own = &samples[place..=place];
        let from = if random.below(8) == 0 { &samples } else { own };
        changed[place].1 = mutated(from, &STRANGE_XML, random);
        read(&packed(&changed));
    });
}

#[test]
fn fuzz_bytes_of_a_workbook() {
    let _turn = alone();
    let samples = [packed(&parts())];
    fuzz(|random| read(&mutated(&samples, &STRANGE_ZIP, random)));
}

#[test]
fn fuzz_text() {
    let _turn = alone();
    let samples: Vec<Vec<u8>> = [
        "nama,nomor\r\n\"Ani, S.Kom\",62812\r\nBudi,62813\r\n",
        "sep=;\r\nnama;nomor\r\nAni;62812\r\n",
        "\u{feff}nama\tnomor\tkota\nRené\t0812-3456-7890\t\"Solo\nJawa\"\n",
        "a|b|c\r\r\"x\"\"y\"|1|2\r",
    ]
    .iter()
    .flat_map(|text| {
        let little = [0xff, 0xfe]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_le_bytes));
        let big = text.encode_utf16().flat_map(u16::to_be_bytes);
        [text.as_bytes().to_vec(), little.collect(), big.collect()]
    })
    .collect();
    fuzz(|random| read(&mutated(&samples, &STRANGE_TEXT, random)));
}
