//! Decodes the text of a CSV file.

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::TableFileError;

/// The part of a file that is used to recognise its encoding.
const SAMPLE: usize = 4096;

/// Decodes UTF-8 or UTF-16, recognised by byte order mark or content, and otherwise Windows-1252, which is Excel's
/// default. The result is UTF-8 without a byte order mark.
pub(super) fn decode(bytes: &Bytes) -> Result<Bytes, TableFileError> {
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or_else(|| (by_look(bytes), 0));
    let body = bytes.slice(mark..);
    if encoding == UTF_8 {
        return if body.contains(&0) {
            Err(TableFileError::Unknown)
        } else {
            Ok(body)
        };
    }
    let (text, _) = encoding.decode_without_bom_handling(&body);
    if text.contains(['\0', '\u{fffd}']) {
        return Err(TableFileError::Unknown);
    }
    Ok(Bytes::from(text.into_owned()))
}

fn by_look(bytes: &[u8]) -> &'static Encoding {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let zeros = |odd: usize| {
        sample
            .iter()
            .skip(odd)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    // In UTF-16, every second byte of Latin letters is zero.
    let (even, odd) = (zeros(0), zeros(1));
    if odd * 4 > sample.len() && even == 0 {
        UTF_16LE
    } else if even * 4 > sample.len() && odd == 0 {
        UTF_16BE
    } else if is_mostly_utf8(bytes) {
        UTF_8
    } else {
        WINDOWS_1252
    }
}

/// Whether the text is UTF-8, perhaps with cut characters: programs that cut a text at a number of bytes leave them. Text
/// of Windows-1252 has hardly any letters that are valid in UTF-8.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut letters, mut broken) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        letters += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    broken == 0 || letters > broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, mark: &[u8], order: fn(u16) -> [u8; 2]) -> Bytes {
        let units = text.encode_utf16().flat_map(order);
        mark.iter().copied().chain(units).collect()
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let text = "nama;nomor\r\nRené Sutédja;62812\r\n";
        for written in [
            Bytes::from(text),
            Bytes::from(format!("\u{feff}{text}")),
            utf16(text, &[0xff, 0xfe], u16::to_le_bytes),
            utf16(text, &[0xfe, 0xff], u16::to_be_bytes),
            utf16(text, &[], u16::to_le_bytes),
            utf16(text, &[], u16::to_be_bytes),
            Bytes::from(WINDOWS_1252.encode(text).0.into_owned()),
        ] {
            assert_eq!(decode(&written).unwrap(), text, "{written:?}");
        }
    }

    #[test]
    fn a_cut_character_does_not_change_the_encoding_of_the_others() {
        let mut written = "nama;nomor\nRené;62812\nSutédja;62813\nAdé".as_bytes().to_vec();
        written.pop();
        let decoded = decode(&Bytes::from(written)).unwrap();
        assert!(String::from_utf8_lossy(&decoded).contains("René;62812\nSutédja;62813"));
    }

    #[test]
    fn binary_data_is_refused() {
        for bytes in [&b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"[..], b"a,b\x00\n1,2"] {
            assert_eq!(
                decode(&Bytes::copy_from_slice(bytes)),
                Err(TableFileError::Unknown)
            );
        }
    }
}
