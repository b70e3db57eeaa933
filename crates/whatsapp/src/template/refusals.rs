//! Explanations for Meta's refusals and rejections of templates.

use crate::client::MetaError;
use crate::error_codes::{self, Locale};

/// Codes and subcodes with their sentences, sorted by code: code, English, Indonesian.
const SENTENCES: &[(i64, &str, &str)] = &[
    (
        80_008,
        "WhatsApp has received too many templates from this account. Please try again in an hour.",
        "WhatsApp menerima terlalu banyak template dari akun ini. Silakan coba lagi satu jam lagi.",
    ),
    (
        2_388_019,
        "WhatsApp does not accept the buttons, or the account has as many templates as it may have.",
        "WhatsApp tidak menerima tombolnya, atau jumlah template akun ini sudah mencapai batas.",
    ),
    (
        2_388_023,
        "The template is being deleted at WhatsApp: this name and language can be used again in 30 days.",
        "Template ini sedang dihapus di WhatsApp: nama dan bahasa ini dapat dipakai lagi dalam 30 hari.",
    ),
    (
        2_388_024,
        "A template of this name already exists in this language at WhatsApp. Synchronise, or choose another name.",
        "Template dengan nama ini sudah ada dalam bahasa ini di WhatsApp. Sinkronkan, atau pilih nama lain.",
    ),
    (
        2_388_039,
        "WhatsApp does not accept the template: a part of it is too long or missing.",
        "WhatsApp tidak menerima template ini: ada bagian yang terlalu panjang atau kurang.",
    ),
    (
        2_388_040,
        "WhatsApp does not accept a text of the template: it is too long or missing.",
        "WhatsApp tidak menerima teks template: terlalu panjang atau kosong.",
    ),
    (
        2_388_043,
        "WhatsApp misses a part of the template, for example the example of a variable.",
        "Ada bagian template yang kurang, misalnya contoh sebuah variabel.",
    ),
    (
        2_388_047,
        "WhatsApp does not accept the header.",
        "WhatsApp tidak menerima header template.",
    ),
    (
        2_388_072,
        "WhatsApp does not accept the body: its text or its variables are not well formed.",
        "WhatsApp tidak menerima isi template: teks atau variabelnya tidak sesuai.",
    ),
    (
        2_388_073,
        "WhatsApp does not accept the footer.",
        "WhatsApp tidak menerima footer template.",
    ),
    (
        2_388_293,
        "The template has too many variables for its length. Write more words, or use fewer variables.",
        "Template memiliki terlalu banyak variabel untuk panjangnya. Tambahkan kata, atau kurangi variabel.",
    ),
    (
        2_388_299,
        "The body must not begin or end with a variable.",
        "Isi template tidak boleh diawali atau diakhiri variabel.",
    ),
    (
        2_593_002,
        "The template does not exist at WhatsApp any more.",
        "Template ini sudah tidak ada di WhatsApp.",
    ),
];

/// A sentence that explains why Meta refused a template, if there is one for the code.
pub fn explain_refusal(error: &MetaError, locale: Locale) -> Option<&'static str> {
    let of = |code: i64| {
        let at = SENTENCES.binary_search_by_key(&code, |(code, ..)| *code).ok()?;
        SENTENCES.get(at).map(|(_, english, indonesian)| match locale {
            Locale::English => *english,
            Locale::Indonesian => *indonesian,
        })
    };
    error
        .subcode
        .and_then(of)
        .or_else(|| of(error.code))
        // The sentences for messages also fit errors about the account.
        .or_else(|| {
            let about_account = [0, 10, 190, 368, 80_007, 131_005, 131_031, 131_042, 131_064];
            about_account
                .contains(&error.code)
                .then(|| error_codes::explain(error.code, locale))?
        })
}

/// The meaning of Meta's `rejected_reason`, for people. `None` if the template was not rejected or the reason
/// is unknown.
pub fn explain_rejection(reason: &str, locale: Locale) -> Option<&'static str> {
    let (english, indonesian) = match reason {
        "ABUSIVE_CONTENT" => (
            "The content breaks WhatsApp's rules for businesses.",
            "Isinya melanggar aturan WhatsApp untuk bisnis.",
        ),
        "INVALID_FORMAT" | "INCORRECT_FORMAT" => (
            "Its form is not right: variables, examples or links are missing or out of place.",
            "Bentuknya tidak sesuai: variabel, contoh, atau tautan kurang atau salah tempat.",
        ),
        "PROMOTIONAL" => (
            "It is promotional, which its category does not allow. Submit it as MARKETING.",
            "Isinya promosi, yang tidak diizinkan oleh kategorinya. Ajukan sebagai MARKETING.",
        ),
        "TAG_CONTENT_MISMATCH" => (
            "Its content does not fit its category or language.",
            "Isinya tidak sesuai dengan kategori atau bahasanya.",
        ),
        "SCAM" => (
            "WhatsApp takes it for fraudulent.",
            "WhatsApp menganggapnya sebagai penipuan.",
        ),
        _ => return None,
    };
    Some(match locale {
        Locale::English => english,
        Locale::Indonesian => indonesian,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i64, subcode: Option<i64>) -> MetaError {
        MetaError {
            code,
            subcode,
            ..MetaError::default()
        }
    }

    #[test]
    fn refusals_are_found_by_subcode_and_by_code() {
        assert!(SENTENCES.is_sorted_by(|a, b| a.0 < b.0));
        for error in [error(100, Some(2_388_299)), error(2_388_299, None)] {
            let sentence = explain_refusal(&error, Locale::Indonesian).unwrap();
            assert!(sentence.contains("diawali"), "{sentence}");
        }
        assert!(explain_refusal(&error(190, None), Locale::English).is_some());
        // The sentence for this code is about messages.
        assert_eq!(explain_refusal(&error(100, None), Locale::English), None);
    }

    #[test]
    fn known_rejection_reasons_are_explained() {
        assert!(explain_rejection("PROMOTIONAL", Locale::English).is_some());
        assert_eq!(explain_rejection("NONE", Locale::English), None);
    }
}
