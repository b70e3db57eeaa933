//! Meta's limits for templates, in one place.

use serde::Serialize;

/// The limits of a template. Lengths are in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// The length of the template's name.
    pub name: usize,
    /// The length of a header's text.
    pub header_text: usize,
    /// The number of variables in a header's text.
    pub header_variables: usize,
    /// The length of the body, both as it is written and with its variables filled in.
    pub body: usize,
    /// The length of the footer.
    pub footer: usize,
    /// The number of all buttons.
    pub buttons: usize,
    /// The length of a button's label.
    pub button_text: usize,
    /// The number of quick replies.
    pub quick_replies: usize,
    /// The number of buttons that open a web address.
    pub url_buttons: usize,
    /// The number of buttons that call a number.
    pub phone_number_buttons: usize,
    /// The number of buttons that copy a code.
    pub copy_code_buttons: usize,
    /// The length of a button's web address.
    pub url: usize,
    /// The length of a button's phone number.
    pub phone_number: usize,
    /// The length of the code that a button copies.
    pub copy_code: usize,
    /// The length of an authentication template's code.
    pub passcode: usize,
    /// The longest lifetime of such a code that a footer may state, in minutes. The shortest is one minute.
    pub code_expiration_minutes: u32,
    /// The number of consecutive spaces within a value.
    pub spaces: usize,
    /// The number of words and variables that the body needs for each variable; it needs one more in all.
    pub words_per_variable: usize,
    /// The number of edits of an approved template within 24 hours.
    pub edits_per_day: usize,
    /// The number of edits of an approved template within 30 days.
    pub edits_per_month: usize,
    /// The limits of the sample files of headers.
    pub samples: [SampleLimit; 4],
}

/// The limits of a header's sample file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SampleLimit {
    /// The header's format.
    pub format: &'static str,
    /// The MIME types that Meta accepts.
    pub mime_types: &'static [&'static str],
    /// The largest size, in bytes.
    pub bytes: usize,
}

const MEGABYTE: usize = 1024 * 1024;

/// Meta's limits as of late 2026.
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
        // A document may have 100 MB when it is sent. A sample is for Meta's reviewers, so the limit here is
        // smaller.
        SampleLimit {
            format: "DOCUMENT",
            mime_types: &["application/pdf"],
            bytes: 16 * MEGABYTE,
        },
    ],
};
