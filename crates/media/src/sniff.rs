//! Recognises the format of a file by its first bytes: names and declared types cannot be trusted.

use whatsapp::client::limits::{ANIMATED_STICKER, Format, MediaKind, STILL_STICKER, format_of};

/// The number of bytes that are enough.
pub(super) const ENOUGH: usize = 4096;

/// The format of a file that begins like this. None for formats that Meta does not accept. The file name decides only
/// between formats with the same first bytes.
pub(super) fn sniff(start: &[u8], file_name: &str) -> Option<Format> {
    let mime_type = match start {
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => "image/png",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => return Some(sticker(start)),
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => boxed(brand)?,
        [b'O', b'g', b'g', b'S', ..] if holds(start, b"OpusHead") => "audio/ogg",
        [b'#', b'!', b'A', b'M', b'R', ..] => "audio/amr",
        [b'I', b'D', b'3', ..] => "audio/mpeg",
        // AAC frames have layer 0, MP3 frames layer 3.
        [0xff, second, ..] if second & 0xf6 == 0xf0 => "audio/aac",
        [0xff, second, ..] if second & 0xe6 == 0xe2 => "audio/mpeg",
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        [b'P', b'K', 3, 4, ..] => zipped(start, file_name)?,
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => match extension(file_name).as_str() {
            "doc" => "application/msword",
            "xls" => "application/vnd.ms-excel",
            "ppt" => "application/vnd.ms-powerpoint",
            _ => return None,
        },
        _ if is_plain_text(start) => "text/plain",
        _ => return None,
    };
    format_of(mime_type)
}

/// The same file sent as a document, which may be larger.
pub(super) fn as_document(format: Format) -> Format {
    Format {
        kind: MediaKind::Document,
        max_bytes: whatsapp::client::limits::LARGEST_FILE,
        ..format
    }
}

fn sticker(start: &[u8]) -> Format {
    // The second bit in the flags of the extended header marks an animation.
    let animated = start.get(12..16) == Some(b"VP8X") && start.get(20).is_some_and(|flags| flags & 2 != 0);
    Format {
        mime_type: "image/webp",
        kind: MediaKind::Sticker,
        max_bytes: if animated { ANIMATED_STICKER } else { STILL_STICKER },
    }
}

/// The brands of MP4 and related formats.
fn boxed(brand: &[u8]) -> Option<&'static str> {
    match brand.get(..4)? {
        b"M4A " | b"M4B " => Some("audio/mp4"),
        [b'3', b'g', b'p' | b'2', _] => Some("video/3gpp"),
        b"isom" | b"iso2" | b"iso4" | b"iso5" | b"iso6" | b"mp41" | b"mp42" | b"avc1" | b"dash" | b"M4V "
        | b"mmp4" | b"MSNV" => Some("video/mp4"),
        _ => None,
    }
}

fn zipped(start: &[u8], file_name: &str) -> Option<&'static str> {
    const TEXT: &[u8] = b"mimetypeapplication/vnd.oasis.opendocument.text";
    if holds(start, TEXT) {
        return Some("application/vnd.oasis.opendocument.text");
    }
    if !holds(start, b"[Content_Types].xml") && !holds(start, b"_rels/") && !holds(start, b"docProps/") {
        return None;
    }
    match extension(file_name).as_str() {
        "docx" => Some("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        "xlsx" => Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        "pptx" => Some("application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        _ => None,
    }
}

/// Whether it is readable text that a browser would not run.
fn is_plain_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // The last character was cut by the end of the sample.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let readable = !text.is_empty()
        && !text
            .chars()
            .any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'));
    let begin = text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']);
    readable && !begin.starts_with('<') && !begin.starts_with("#!")
}

fn holds(start: &[u8], wanted: &[u8]) -> bool {
    start.windows(wanted.len()).any(|window| window == wanted)
}

fn extension(file_name: &str) -> String {
    let extension = file_name.rsplit_once('.').map(|(_, extension)| extension);
    extension.unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mime(start: &[u8], name: &str) -> Option<&'static str> {
        sniff(start, name).map(|format| format.mime_type)
    }

    #[test]
    fn files_are_known_by_their_bytes() {
        for (start, name, expected) in [
            (&b"\xff\xd8\xff\xe0rest"[..], "x.png", "image/jpeg"),
            (b"\x89PNG\r\n\x1a\nrest", "x.exe", "image/png"),
            (b"\0\0\0\x20ftypisom....", "x", "video/mp4"),
            (b"\0\0\0\x20ftyp3gp5....", "x", "video/3gpp"),
            (b"\0\0\0\x20ftypM4A ....", "x", "audio/mp4"),
            (b"OggS\0\x02..........OpusHead", "x", "audio/ogg"),
            (b"#!AMR\n", "x", "audio/amr"),
            (b"ID3\x04", "x", "audio/mpeg"),
            (b"\xff\xfb\x90", "x", "audio/mpeg"),
            (b"\xff\xf1\x50", "x", "audio/aac"),
            (b"%PDF-1.7", "x", "application/pdf"),
            (
                b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
                "a.XLS",
                "application/vnd.ms-excel",
            ),
            (b"Halo, d\xc3\xbcnia\n", "x", "text/plain"),
            (b"cut off \xc3", "x", "text/plain"),
        ] {
            assert_eq!(mime(start, name), Some(expected), "{name} {start:?}");
        }
        let word = b"PK\x03\x04........[Content_Types].xml";
        assert_eq!(
            mime(word, "a.docx"),
            Some("application/vnd.openxmlformats-officedocument.wordprocessingml.document")
        );
    }

    #[test]
    fn files_that_run_or_are_not_recognised_are_refused() {
        for (start, name) in [
            (&b"MZ\x90\0"[..], "a.jpg"),
            (b"\x7fELF", "a.pdf"),
            (b"<html><script>", "a.txt"),
            (b"\xef\xbb\xbf <svg onload=x>", "a.png"),
            (b"#!/bin/sh", "a.txt"),
            (b"PK\x03\x04........classes.dex", "a.docx"),
            (b"PK\x03\x04........[Content_Types].xml", "a.zip"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.msi"),
            (b"OggS\0\x02..........vorbis", "a.ogg"),
            (b"\0\0\0\x14ftypqt  ", "a.mov"),
            (b"a\0b", "a.txt"),
            (b"", "a.txt"),
        ] {
            assert_eq!(mime(start, name), None, "{name}");
        }
    }

    #[test]
    fn stickers_that_move_may_be_larger() {
        let mut webp = b"RIFF....WEBPVP8X\x0a\0\0\0\x00rest".to_vec();
        assert_eq!(sniff(&webp, "x").unwrap().max_bytes, STILL_STICKER);
        webp[20] = 2;
        assert_eq!(sniff(&webp, "x").unwrap().max_bytes, ANIMATED_STICKER);
        assert_eq!(as_document(sniff(&webp, "x").unwrap()).kind, MediaKind::Document);
    }
}
