//! What keeps a template from being submitted, step by step and in words.

use serde::{Deserialize, Serialize};

use crate::error_codes::Locale;

/// A step of writing a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Name, language and category.
    Basics,
    /// The header.
    Header,
    /// Body and footer.
    Body,
    /// The buttons.
    Buttons,
    /// An example for every variable.
    Examples,
    /// Everything together.
    Review,
}

/// One thing that Meta would not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftProblem {
    /// Where it is mended.
    pub step: Step,
    /// The field, as in `content`, `header.text`, `buttons[1].url` or `variables.2`.
    pub field: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a field of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing.
    Required,
    /// More characters than this.
    TooLong(usize),
    /// A line break, where there is one line.
    LineBreak,
    /// Not a name for a template.
    Name,
    /// Not the code of a language.
    Language,
    /// Not a category.
    Category,
    /// A part that cannot be written here.
    Unsupported,
    /// More variables than this.
    TooManyVariables(usize),
    /// A variable, where none may be.
    NoVariables,
    /// Numbers that do not count from 1.
    Sequence,
    /// Names with other characters.
    VariableName,
    /// Numbers and names together.
    Mixed,
    /// A variable that is the first or the last of the text.
    AtTheEdge,
    /// Two variables with nothing between them.
    Adjacent,
    /// So many words and variables would be needed.
    TooFewWords(usize),
    /// No example for a variable.
    NoExample,
    /// A line break, a tab or too many spaces within an example.
    Whitespace,
    /// No sample of the header's file.
    NoSample,
    /// More of these than may be.
    TooMany(usize),
    /// Quick replies with other buttons between them.
    QuickRepliesApart,
    /// Not a web address.
    Url,
    /// A variable that is not at the address's end, or one too many.
    UrlVariable,
    /// Not a phone number with its country code.
    Phone,
    /// Not a kind of button.
    ButtonKind,
    /// Authentication templates have no such part.
    NotInAuthentication,
    /// Authentication templates have exactly one button, for the code.
    OneOtpButton,
    /// Not one of `COPY_CODE`, `ONE_TAP`, `ZERO_TAP`.
    OtpType,
    /// One-tap and zero-tap need the app that takes the code.
    SupportedApps,
    /// A number outside 1 to this.
    Minutes(u32),
}

impl Fault {
    /// A sentence about the field, without its name.
    pub fn explain(self, locale: Locale) -> String {
        let (english, indonesian) = self.sentences();
        match locale {
            Locale::English => english,
            Locale::Indonesian => indonesian,
        }
    }

    fn sentences(self) -> (String, String) {
        let (english, indonesian) = match self {
            Self::Required => ("is required", "wajib diisi"),
            Self::LineBreak => ("must not contain line breaks", "tidak boleh berisi ganti baris"),
            Self::Name => (
                "may only contain lower-case letters, digits and underscores",
                "hanya boleh berisi huruf kecil, angka, dan garis bawah",
            ),
            Self::Language => (
                "must be the code of a language, such as id or en_US",
                "harus berupa kode bahasa, misalnya id atau en_US",
            ),
            Self::Category => (
                "must be MARKETING, UTILITY or AUTHENTICATION",
                "harus MARKETING, UTILITY, atau AUTHENTICATION",
            ),
            Self::Unsupported => ("cannot be written here", "tidak dapat ditulis di sini"),
            Self::NoVariables => ("must not contain variables", "tidak boleh berisi variabel"),
            Self::Sequence => (
                "must number its variables from {{1}} without gaps",
                "harus menomori variabel mulai {{1}} tanpa loncatan",
            ),
            Self::VariableName => (
                "names of variables are lower-case letters, digits and underscores, beginning with a letter",
                "nama variabel terdiri dari huruf kecil, angka, dan garis bawah, diawali huruf",
            ),
            Self::Mixed => (
                "must use either numbers or names for its variables, in header and body alike",
                "harus memakai angka saja atau nama saja untuk variabel, di header maupun isi",
            ),
            Self::AtTheEdge => (
                "must not begin or end with a variable",
                "tidak boleh diawali atau diakhiri variabel",
            ),
            Self::Adjacent => (
                "must have words between its variables",
                "harus memuat kata di antara variabel-variabelnya",
            ),
            Self::NoExample => ("needs an example", "memerlukan contoh"),
            Self::Whitespace => (
                "must not contain line breaks, tabs or more than 4 spaces in a row",
                "tidak boleh berisi ganti baris, tab, atau lebih dari 4 spasi berturut-turut",
            ),
            Self::NoSample => (
                "needs a sample file, which WhatsApp reviews",
                "memerlukan berkas contoh, yang akan ditinjau WhatsApp",
            ),
            Self::QuickRepliesApart => (
                "must keep quick replies together, before or after the other buttons",
                "harus mengelompokkan balasan cepat, sebelum atau sesudah tombol lain",
            ),
            Self::Url => (
                "must be a web address that begins with https:// or http://",
                "harus berupa alamat web yang diawali https:// atau http://",
            ),
            Self::UrlVariable => (
                "may have one variable, {{1}}, at its end",
                "boleh memiliki satu variabel, {{1}}, di ujungnya",
            ),
            Self::Phone => (
                "must be a phone number with its country code, such as +6281234567890",
                "harus berupa nomor telepon dengan kode negara, misalnya +6281234567890",
            ),
            Self::ButtonKind => (
                "must be QUICK_REPLY, URL, PHONE_NUMBER, COPY_CODE or, in authentication templates, OTP",
                "harus QUICK_REPLY, URL, PHONE_NUMBER, COPY_CODE, atau, pada template autentikasi, OTP",
            ),
            Self::NotInAuthentication => (
                "cannot be chosen for authentication templates: WhatsApp writes their text",
                "tidak dapat diisi pada template autentikasi: teksnya ditulis WhatsApp",
            ),
            Self::OneOtpButton => (
                "must be exactly one button of type OTP in an authentication template",
                "harus tepat satu tombol berjenis OTP pada template autentikasi",
            ),
            Self::OtpType => (
                "must be COPY_CODE, ONE_TAP or ZERO_TAP",
                "harus COPY_CODE, ONE_TAP, atau ZERO_TAP",
            ),
            Self::SupportedApps => (
                "must name package_name and signature_hash of the app that takes the code",
                "harus menyebut package_name dan signature_hash aplikasi yang menerima kode",
            ),
            Self::TooLong(most) => {
                return (
                    format!("must not exceed {most} characters"),
                    format!("tidak boleh lebih dari {most} karakter"),
                );
            }
            Self::TooManyVariables(most) => {
                return (
                    format!("must not contain more than {most} variable"),
                    format!("tidak boleh berisi lebih dari {most} variabel"),
                );
            }
            Self::TooFewWords(needed) => {
                return (
                    format!("is too short for its variables: {needed} words and variables are needed"),
                    format!("terlalu pendek untuk jumlah variabelnya: diperlukan {needed} kata dan variabel"),
                );
            }
            Self::TooMany(most) => {
                return (
                    format!("must not be more than {most}"),
                    format!("tidak boleh lebih dari {most}"),
                );
            }
            Self::Minutes(most) => {
                return (
                    format!("must be a number from 1 to {most}"),
                    format!("harus angka 1 sampai {most}"),
                );
            }
        };
        (english.to_owned(), indonesian.to_owned())
    }
}
