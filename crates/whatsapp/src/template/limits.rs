//! Meta's limits for templates, in one place.

use serde::Serialize;

/// What a template may hold at most. Lengths are in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// The template's name.
    pub name: usize,
    /// A header's text.
    pub header_text: usize,
    /// Variables in a header's text.
    pub header_variables: usize,
    /// The body, as written and with its variables filled in.
    pub body: usize,
    /// The footer.
    pub footer: usize,
    /// Buttons in all.
    pub buttons: usize,
    /// A button's label.
    pub button_text: usize,
    /// Quick replies.
    pub quick_replies: usize,
    /// Buttons that open a web address.
    pub url_buttons: usize,
    /// Buttons that call a number.
    pub phone_number_buttons: usize,
    /// Buttons that copy a code.
    pub copy_code_buttons: usize,
    /// A button's web address.
    pub url: usize,
    /// A button's phone number.
    pub phone_number: usize,
    /// The code that a button copies.
    pub copy_code: usize,
    /// The code of an authentication template.
    pub passcode: usize,
    /// The longest life of such a code that a footer tells, from one minute.
    pub code_expiration_minutes: u32,
    /// Spaces in a row within a value.
    pub spaces: usize,
    /// A template of so many variables needs this many times as many words and variables, and one more.
    pub words_per_variable: usize,
    /// Edits of an approved template within 24 hours.
    pub edits_per_day: usize,
    /// Edits of an approved template within 30 days.
    pub edits_per_month: usize,
    /// The files that headers are submitted with.
    pub samples: [SampleLimit; 4],
}

/// What the sample file of a header may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SampleLimit {
    /// The header's format.
    pub format: &'static str,
    /// Its content types.
    pub mime_types: &'static [&'static str],
    /// Its size.
    pub bytes: usize,
}

const MEGABYTE: usize = 1024 * 1024;

/// The limits as of late 2026.
pub const LIMITS: Limits = Limits {
    name: 512,
    header_text: 60,
    header_variables: 1,
    body: 1024,
    footer: 60,
    buttons: 10,
    button_text: 25,
    quick_replies: 10,
    url_buttons: 2,
    phone_number_buttons: 1,
    copy_code_buttons: 1,
    url: 2000,
    phone_number: 20,
    copy_code: 20,
    passcode: 15,
    code_expiration_minutes: 90,
    spaces: 4,
    words_per_variable: 3,
    edits_per_day: 1,
    edits_per_month: 10,
    samples: [
        SampleLimit {
            format: "IMAGE",
            mime_types: &["image/jpeg", "image/png"],
            bytes: 5 * MEGABYTE,
        },
        SampleLimit {
            format: "VIDEO",
            mime_types: &["video/mp4", "video/3gpp"],
            bytes: 16 * MEGABYTE,
        },
        SampleLimit {
            format: "GIF",
            mime_types: &["video/mp4"],
            bytes: 3 * MEGABYTE + MEGABYTE / 2,
        },
        // Documents may have 100 MB when they are sent; nobody reviews so much.
        SampleLimit {
            format: "DOCUMENT",
            mime_types: &["application/pdf"],
            bytes: 16 * MEGABYTE,
        },
    ],
};
