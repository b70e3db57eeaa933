//! Media messages.

use serde::{Deserialize, Serialize};

use crate::client::limits::{self, MediaKind};
use crate::client::problem::{Findings, Reason};

/// A file: either uploaded to Meta beforehand or fetched by Meta from an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Meta's id of the uploaded file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The address of the file. Meta caches what it fetched for ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The text below the file; not for audio and stickers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// The file name; for documents only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
}

impl Media {
    pub(super) fn check(&self, kind: MediaKind, at: &str, findings: &mut Findings) {
        match (&self.id, &self.link) {
            (Some(id), None) => {
                let fits = (1..=64).contains(&id.len())
                    && id
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                if !fits {
                    findings.add(format!("{at}.id"), Reason::Unknown);
                }
            }
            (None, Some(link)) => findings.link(&format!("{at}.link"), link),
            _ => findings.add(at, Reason::IdOrLink),
        }
        let caption = format!("{at}.caption");
        match (&self.caption, kind) {
            (Some(_), MediaKind::Audio | MediaKind::Sticker) => findings.add(caption, Reason::NotAllowed),
            (text, _) => findings.optional(&caption, text.as_deref(), limits::CAPTION),
        }
        let filename = format!("{at}.filename");
        match (&self.filename, kind) {
            (name, MediaKind::Document) => findings.optional(&filename, name.as_deref(), limits::FILE_NAME),
            (Some(_), _) => findings.add(filename, Reason::NotAllowed),
            (None, _) => {}
        }
    }
}
