//! Problems of a draft: their step, their field and a sentence that explains them.

use serde::{Deserialize, Serialize};

use crate::error_codes::Locale;

/// A step of composing a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The name, the language and the category.
    Basics,
    /// The header.
    Header,
    /// The body and the footer.
    Body,
    /// The buttons.
    Buttons,
    /// The examples for the variables.
    Examples,
    /// The review of all steps.
    Review,
}

/// A problem for which Meta would refuse the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftProblem {
    /// The step in which it can be corrected.
    pub step: Step,
    /// The path of the field, as in `content`, `header.text`, `buttons[1].url` or `variables.2`.
    pub field: String,
    /// The kind of problem.
    pub fault: Fault,
}

/// The kind of problem that a field of a draft has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The field is empty.
    Required,
    /// The text is longer than this number of characters.
    TooLong(usize),
    /// The text holds a line break, but must be a single line.
    LineBreak,
    /// The text is not a valid template name.
    Name,
    /// The text is not a language code.
    Language,
    /// The text is not a category.
    Category,
    /// The template has a part that cannot be edited here.
    Unsupported,
    /// The text has more variables than this number.
    TooManyVariables(usize),
    /// The text has a variable, but none is allowed.
    NoVariables,
    /// The numbers of the variables do not count up from 1.
    Sequence,
    /// The name of a variable holds characters that are not allowed.
    VariableName,
    /// Some variables are numbered and some are named.
    Mixed,
    /// A variable is at the beginning or the end of the text.
    VariableAtEdge,
    /// Two variables follow each other without words between them.
    Adjacent,
    /// The text has fewer than this number of words and variables.
    TooFewWords(usize),
    /// A variable has no example.
    NoExample,
    /// An example holds a line break, a tab or too many spaces in a row.
    Whitespace,
    /// The header has no sample file.
    NoSample,
    /// There are more entries than this number.
    TooMany(usize),
    /// Quick replies are separated by other buttons.
    QuickRepliesNotGrouped,
    /// The text is not a web address.
    Url,
    /// The address has a variable that is not at its end, or more than one variable.
    UrlVariable,
    /// The text is not a phone number with a country code.
    Phone,
    /// The text is not a kind of button.
    ButtonKind,
    /// Authentication templates do not have this part.
    NotInAuthentication,
    /// Authentication templates have exactly one button, which is for the code.
    OneOtpButton,
    /// The OTP type is not `COPY_CODE`, `ONE_TAP` or `ZERO_TAP`.
    OtpType,
    /// A one-tap or zero-tap button does not name the app that receives the code.
    SupportedApps,
    /// The number is not between 1 and this number.
    Minutes(u32),
}

impl Fault {
    /// Explains the problem in a sentence that does not repeat the field's name.
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
            Self::VariableAtEdge => (
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
            Self::QuickRepliesNotGrouped => (
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
