//! Meta's limits for messages, in one place. Lengths are counted in characters.

/// A text.
pub const TEXT_BODY: usize = 4_096;
/// The caption of an image, video or document.
pub const CAPTION: usize = 1_024;
/// The file name of a document. Meta states no limit; file systems do.
pub const FILE_NAME: usize = 240;
/// The address of a file or of a link button.
pub const LINK: usize = 2_000;
/// The text of an interactive message other than a list.
pub const INTERACTIVE_BODY: usize = 1_024;
/// The text of a list message.
pub const LIST_BODY: usize = 4_096;
/// The text of a header.
pub const HEADER: usize = 60;
/// The text of a footer.
pub const FOOTER: usize = 60;
/// The reply buttons of one message.
pub const REPLY_BUTTONS: usize = 3;
/// The id of a reply button.
pub const REPLY_ID: usize = 256;
/// The label of a reply button.
pub const REPLY_TITLE: usize = 20;
/// The label of the button that opens a list.
pub const LIST_BUTTON: usize = 20;
/// The sections of a list.
pub const SECTIONS: usize = 10;
/// The rows of a list, over all its sections.
pub const ROWS: usize = 10;
/// The title of a section.
pub const SECTION_TITLE: usize = 24;
/// The id of a row.
pub const ROW_ID: usize = 200;
/// The title of a row.
pub const ROW_TITLE: usize = 24;
/// The description of a row.
pub const ROW_DESCRIPTION: usize = 72;
/// The label of a link button.
pub const LINK_LABEL: usize = 20;
/// An emoji, with all the characters it may be composed of.
pub const EMOJI: usize = 16;
/// A name or an address of a location or a person.
pub const NAME: usize = 1_024;
/// The cards of one contacts message.
pub const CONTACTS: usize = 100;
/// One value of a template. Its filled body has the same limit.
pub const TEMPLATE_VALUE: usize = 1_024;
/// The code that a template's button copies.
pub const COUPON_CODE: usize = 20;
/// The components of a sent template: header, body, offer, cards and ten buttons.
pub const TEMPLATE_COMPONENTS: usize = 14;
/// The cards of a template.
pub const CARDS: usize = 10;
/// The payload of a template's quick reply button.
pub const PAYLOAD: usize = 256;

/// The kind of a media message, by Meta's name of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// An image.
    Image,
    /// A video.
    Video,
    /// An audio file or a voice message.
    Audio,
    /// A file of any other type.
    Document,
    /// A sticker.
    Sticker,
}

impl MediaKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Image,
        Self::Video,
        Self::Audio,
        Self::Document,
        Self::Sticker,
    ];

    /// Meta's name of the message type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

const KILOBYTE: u64 = 1_024;
const MEGABYTE: u64 = 1_024 * KILOBYTE;

/// The largest animated sticker, in bytes. The limit for static ones is [`STILL_STICKER`].
pub const ANIMATED_STICKER: u64 = 500 * KILOBYTE;
/// The largest static sticker, in bytes.
pub const STILL_STICKER: u64 = 100 * KILOBYTE;
/// The largest file of any kind, in bytes.
pub const LARGEST_FILE: u64 = 100 * MEGABYTE;

/// A file type that Meta accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The MIME type, without parameters.
    pub mime_type: &'static str,
    /// The kind of message that carries it.
    pub kind: MediaKind,
    /// The largest file, in bytes.
    pub max_bytes: u64,
}

const fn format(mime_type: &'static str, kind: MediaKind, max_bytes: u64) -> Format {
    Format {
        mime_type,
        kind,
        max_bytes,
    }
}

/// All file types that Meta accepts. Each may also be sent as a document.
pub const FORMATS: [Format; 19] = [
    format("audio/aac", MediaKind::Audio, 16 * MEGABYTE),
    format("audio/amr", MediaKind::Audio, 16 * MEGABYTE),
    format("audio/mpeg", MediaKind::Audio, 16 * MEGABYTE),
    format("audio/mp4", MediaKind::Audio, 16 * MEGABYTE),
    format("audio/ogg", MediaKind::Audio, 16 * MEGABYTE),
    format("image/jpeg", MediaKind::Image, 5 * MEGABYTE),
    format("image/png", MediaKind::Image, 5 * MEGABYTE),
    format("video/mp4", MediaKind::Video, 16 * MEGABYTE),
    format("video/3gpp", MediaKind::Video, 16 * MEGABYTE),
    format("image/webp", MediaKind::Sticker, ANIMATED_STICKER),
    format("application/pdf", MediaKind::Document, LARGEST_FILE),
    format("text/plain", MediaKind::Document, LARGEST_FILE),
    format("application/msword", MediaKind::Document, LARGEST_FILE),
    format("application/vnd.ms-excel", MediaKind::Document, LARGEST_FILE),
    format("application/vnd.ms-powerpoint", MediaKind::Document, LARGEST_FILE),
    format(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        MediaKind::Document,
        LARGEST_FILE,
    ),
    format(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        MediaKind::Document,
        LARGEST_FILE,
    ),
    format(
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        MediaKind::Document,
        LARGEST_FILE,
    ),
    format(
        "application/vnd.oasis.opendocument.text",
        MediaKind::Document,
        LARGEST_FILE,
    ),
];

/// The format of a MIME type. Parameters such as `; codecs=opus` are ignored.
pub fn format_of(mime_type: &str) -> Option<Format> {
    let plain = mime_type.split(';').next().unwrap_or_default().trim();
    FORMATS
        .into_iter()
        .find(|format| format.mime_type.eq_ignore_ascii_case(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_found_with_any_parameters() {
        assert_eq!(
            format_of("Audio/OGG; codecs=opus").unwrap().kind,
            MediaKind::Audio
        );
        assert_eq!(format_of("image/jpeg").unwrap().max_bytes, 5_242_880);
        assert_eq!(format_of("text/html"), None);
    }

    #[test]
    fn kinds_have_metas_names() {
        for kind in MediaKind::ALL {
            assert_eq!(MediaKind::named(kind.as_str()), Some(kind));
        }
        assert_eq!(MediaKind::named("text"), None);
    }
}
