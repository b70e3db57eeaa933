//! Meta's error codes: their consequences for a message, and their explanations for people.
//!
//! The decision rests on `code` and not on the HTTP status, because vendors report different statuses for the
//! same code.

/// The consequence of an error code for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The message was not sent, and Meta will refuse the same request again.
    Rejected,
    /// The message was not sent. Meta may accept the same request later; everything within the scope should
    /// wait.
    Retryable(Scope),
    /// The access token does not work. Nothing can be sent until it is replaced.
    TokenInvalid,
    /// Meta has blocked the account. A person has to act.
    AccountBlocked,
}

/// The scope of a rate limit: the part that has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The sending number.
    Number,
    /// This number and this recipient.
    Pair,
    /// Every number of the app.
    App,
    /// Every number of the business account.
    Account,
    /// Only this message.
    None,
}

/// The app has made too many calls.
pub const APP_RATE_LIMIT: i64 = 4;
/// The access token has expired or was revoked.
pub const TOKEN_INVALID: i64 = 190;
/// Meta blocked the account for a policy violation.
pub const POLICY_BLOCK: i64 = 368;
/// The number has sent more messages per second than it may.
pub const NUMBER_RATE_LIMIT: i64 = 130_429;
/// Meta has locked the account.
pub const ACCOUNT_LOCKED: i64 = 131_031;
/// The account's payment method fails.
pub const PAYMENT_PROBLEM: i64 = 131_042;
/// More than 24 hours have passed since the person last wrote. Only a template may be sent.
pub const WINDOW_CLOSED: i64 = 131_047;
/// Too many recipients have blocked or reported the number. A campaign must stop.
pub const SPAM_RATE_LIMIT: i64 = 131_048;
/// The person has received enough marketing messages for now. Meta accepts the next one after 24 hours at the
/// earliest.
pub const MARKETING_CAP: i64 = 131_049;
/// The person has opted out of marketing messages from this business.
pub const MARKETING_OPT_OUT: i64 = 131_050;
/// Too many messages went to the same person.
pub const PAIR_RATE_LIMIT: i64 = 131_056;
/// Meta has paused the template for its quality.
pub const TEMPLATE_PAUSED: i64 = 132_015;
/// Meta has disabled the template for its quality.
pub const TEMPLATE_DISABLED: i64 = 132_016;

use ErrorKind::{AccountBlocked, Rejected, Retryable, TokenInvalid};

/// The known codes, sorted.
const KINDS: &[(i64, ErrorKind)] = &[
    (0, TokenInvalid),
    (1, Rejected),
    (2, Retryable(Scope::None)),
    (3, Rejected),
    (APP_RATE_LIMIT, Retryable(Scope::App)),
    (10, Rejected),
    (33, Rejected),
    (100, Rejected),
    (TOKEN_INVALID, TokenInvalid),
    (POLICY_BLOCK, AccountBlocked),
    (613, Retryable(Scope::Account)),
    (80_007, Retryable(Scope::Account)),
    (80_008, Retryable(Scope::Account)),
    (130_403, Rejected),
    (NUMBER_RATE_LIMIT, Retryable(Scope::Number)),
    (130_472, Rejected),
    (130_497, Rejected),
    (131_000, Retryable(Scope::None)),
    (131_005, Rejected),
    (131_008, Rejected),
    (131_009, Rejected),
    (131_016, Retryable(Scope::None)),
    (131_020, Rejected),
    (131_021, Rejected),
    (131_026, Rejected),
    (131_030, Rejected),
    (ACCOUNT_LOCKED, AccountBlocked),
    (131_037, Rejected),
    (131_041, Rejected),
    (PAYMENT_PROBLEM, AccountBlocked),
    (131_044, AccountBlocked),
    (131_045, Rejected),
    (WINDOW_CLOSED, Rejected),
    (SPAM_RATE_LIMIT, Rejected),
    (MARKETING_CAP, Rejected),
    (MARKETING_OPT_OUT, Rejected),
    (131_051, Rejected),
    (131_052, Rejected),
    (131_053, Rejected),
    (131_055, Rejected),
    (PAIR_RATE_LIMIT, Retryable(Scope::Pair)),
    (131_057, Retryable(Scope::Number)),
    (131_059, Rejected),
    (131_060, Rejected),
    (131_062, Rejected),
    (131_063, Rejected),
    (131_064, Rejected),
    (131_208, Retryable(Scope::None)),
    (132_000, Rejected),
    (132_001, Rejected),
    (132_005, Rejected),
    (132_007, Rejected),
    (132_008, Rejected),
    (132_012, Rejected),
    (TEMPLATE_PAUSED, Rejected),
    (TEMPLATE_DISABLED, Rejected),
    (132_018, Rejected),
    (132_068, Rejected),
    (132_069, Rejected),
    (133_000, Rejected),
    (133_004, Retryable(Scope::Number)),
    (133_005, Rejected),
    (133_006, Rejected),
    (133_008, Rejected),
    (133_009, Rejected),
    (133_010, Rejected),
    (133_015, Rejected),
    (133_016, Rejected),
    (134_011, Rejected),
    (134_100, Rejected),
    (134_101, Retryable(Scope::None)),
    (134_102, Rejected),
    (135_000, Rejected),
    (137_000, Rejected),
    (2_388_019, Rejected),
    (2_388_039, Rejected),
    (2_388_040, Rejected),
    (2_388_047, Rejected),
    (2_388_072, Rejected),
    (2_388_073, Rejected),
    (2_388_293, Rejected),
    (2_388_299, Rejected),
    (2_494_100, Retryable(Scope::Number)),
    (2_593_107, Rejected),
    (2_593_108, Rejected),
    (2_593_109, Rejected),
];

/// Ranges of codes to which Meta adds new codes.
const RANGES: &[(std::ops::RangeInclusive<i64>, ErrorKind)] = &[
    (200..=299, Rejected),
    (131_200..=131_299, Rejected),
    (138_000..=139_999, Rejected),
];

/// The consequence of a code; `None` if it is unknown.
pub fn kind(code: i64) -> Option<ErrorKind> {
    if let Ok(at) = KINDS.binary_search_by_key(&code, |(code, _)| *code) {
        return KINDS.get(at).map(|(_, kind)| *kind);
    }
    RANGES
        .iter()
        .find(|(range, _)| range.contains(&code))
        .map(|(_, kind)| *kind)
}

/// A language for explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locale {
    /// English.
    #[default]
    English,
    /// Bahasa Indonesia.
    Indonesian,
}

/// The explanations of errors that people see, sorted by code: code, English, Indonesian.
const SENTENCES: &[(i64, &str, &str)] = &[
    (
        0,
        "The connection to WhatsApp is no longer authorised. An administrator has to connect the number again.",
        "Koneksi ke WhatsApp tidak lagi diizinkan. Administrator perlu menghubungkan ulang nomor ini.",
    ),
    (
        1,
        "WhatsApp reported an unknown error. It is not certain whether the message was sent.",
        "WhatsApp melaporkan kesalahan yang tidak diketahui. Belum pasti apakah pesan terkirim.",
    ),
    (
        2,
        "WhatsApp was briefly unavailable, and the message was not sent.",
        "WhatsApp sempat tidak tersedia, dan pesan tidak terkirim.",
    ),
    (
        APP_RATE_LIMIT,
        "Too many requests to WhatsApp. Sending continues shortly.",
        "Terlalu banyak permintaan ke WhatsApp. Pengiriman akan dilanjutkan sebentar lagi.",
    ),
    (
        10,
        "The connected WhatsApp account does not have the permission this needs.",
        "Akun WhatsApp yang terhubung tidak memiliki izin yang diperlukan.",
    ),
    (
        33,
        "This WhatsApp number no longer exists or is not connected any more.",
        "Nomor WhatsApp ini sudah tidak ada atau tidak terhubung lagi.",
    ),
    (
        100,
        "WhatsApp did not accept the content of this message.",
        "WhatsApp tidak menerima isi pesan ini.",
    ),
    (
        TOKEN_INVALID,
        "The connection to WhatsApp has expired. An administrator has to connect the number again.",
        "Koneksi ke WhatsApp sudah kedaluwarsa. Administrator perlu menghubungkan ulang nomor ini.",
    ),
    (
        POLICY_BLOCK,
        "WhatsApp has blocked this account for a breach of its policies.",
        "WhatsApp memblokir akun ini karena melanggar kebijakannya.",
    ),
    (
        80_007,
        "The WhatsApp account has reached its limit of requests. Sending continues shortly.",
        "Akun WhatsApp mencapai batas permintaan. Pengiriman akan dilanjutkan sebentar lagi.",
    ),
    (
        NUMBER_RATE_LIMIT,
        "This number is sending too fast for WhatsApp. Sending continues more slowly.",
        "Nomor ini mengirim terlalu cepat untuk WhatsApp. Pengiriman dilanjutkan lebih lambat.",
    ),
    (
        130_472,
        "WhatsApp withheld this marketing message as part of an experiment with this recipient.",
        "WhatsApp menahan pesan pemasaran ini karena penerima termasuk dalam eksperimen.",
    ),
    (
        130_497,
        "This business may not send messages to recipients in that country.",
        "Bisnis ini tidak boleh mengirim pesan ke penerima di negara tersebut.",
    ),
    (
        131_000,
        "Something went wrong at WhatsApp, and the message was not sent.",
        "Terjadi kesalahan di WhatsApp, dan pesan tidak terkirim.",
    ),
    (
        131_005,
        "The connected WhatsApp account does not have the permission this needs.",
        "Akun WhatsApp yang terhubung tidak memiliki izin yang diperlukan.",
    ),
    (
        131_008,
        "The message lacks something WhatsApp requires.",
        "Pesan ini belum memuat sesuatu yang diwajibkan WhatsApp.",
    ),
    (
        131_009,
        "The message holds a value WhatsApp does not accept.",
        "Pesan ini memuat nilai yang tidak diterima WhatsApp.",
    ),
    (
        131_016,
        "WhatsApp was briefly unavailable. It is not certain whether the message was sent.",
        "WhatsApp sempat tidak tersedia. Belum pasti apakah pesan terkirim.",
    ),
    (
        131_021,
        "A number cannot send messages to itself.",
        "Nomor tidak dapat mengirim pesan ke dirinya sendiri.",
    ),
    (
        131_026,
        "The message could not be delivered. The number may not be on WhatsApp, or its app is too old.",
        "Pesan tidak dapat disampaikan. Nomor mungkin tidak memakai WhatsApp, atau aplikasinya terlalu lama.",
    ),
    (
        131_030,
        "This test number may only send to recipients on its allow-list.",
        "Nomor uji coba ini hanya dapat mengirim ke penerima dalam daftar yang diizinkan.",
    ),
    (
        ACCOUNT_LOCKED,
        "WhatsApp has locked this account.",
        "WhatsApp mengunci akun ini.",
    ),
    (
        131_037,
        "The display name of this number has not been approved by WhatsApp yet.",
        "Nama tampilan nomor ini belum disetujui WhatsApp.",
    ),
    (
        PAYMENT_PROBLEM,
        "There is a problem with the payment method of the WhatsApp account.",
        "Ada masalah dengan metode pembayaran akun WhatsApp.",
    ),
    (
        131_045,
        "This number is not fully registered with WhatsApp.",
        "Nomor ini belum terdaftar sepenuhnya di WhatsApp.",
    ),
    (
        WINDOW_CLOSED,
        "More than 24 hours have passed since the customer last wrote. Send a template instead.",
        "Sudah lebih dari 24 jam sejak pelanggan terakhir menulis. Kirim template sebagai gantinya.",
    ),
    (
        SPAM_RATE_LIMIT,
        "WhatsApp is limiting this number because recipients blocked or reported it. Sending has stopped.",
        "WhatsApp membatasi nomor ini karena penerima memblokir atau melaporkannya. Pengiriman dihentikan.",
    ),
    (
        MARKETING_CAP,
        "WhatsApp did not deliver this marketing message because the person has received enough of them for now.",
        "WhatsApp tidak menyampaikan pesan pemasaran ini karena penerima sudah cukup banyak menerimanya saat ini.",
    ),
    (
        MARKETING_OPT_OUT,
        "This person has chosen not to receive marketing messages from this business.",
        "Orang ini memilih untuk tidak menerima pesan pemasaran dari bisnis ini.",
    ),
    (
        131_051,
        "WhatsApp does not support this type of message.",
        "WhatsApp tidak mendukung jenis pesan ini.",
    ),
    (
        131_052,
        "The file that was sent to you could not be downloaded.",
        "File yang dikirim kepada Anda tidak dapat diunduh.",
    ),
    (
        131_053,
        "WhatsApp could not use the attached file. Check its type and size.",
        "WhatsApp tidak dapat menggunakan file terlampir. Periksa jenis dan ukurannya.",
    ),
    (
        PAIR_RATE_LIMIT,
        "Too many messages to this person in a short time. Sending continues after a pause.",
        "Terlalu banyak pesan ke orang ini dalam waktu singkat. Pengiriman dilanjutkan setelah jeda.",
    ),
    (
        131_057,
        "WhatsApp is carrying out maintenance on this number. Sending continues afterwards.",
        "WhatsApp sedang memelihara nomor ini. Pengiriman dilanjutkan setelahnya.",
    ),
    (
        131_060,
        "WhatsApp cannot show this message. Ask the customer to send it again.",
        "WhatsApp tidak dapat menampilkan pesan ini. Minta pelanggan mengirim ulang.",
    ),
    (
        131_064,
        "WhatsApp has limited this account because templates were used in the wrong category.",
        "WhatsApp membatasi akun ini karena template dipakai dalam kategori yang salah.",
    ),
    (
        132_000,
        "The number of values does not match the template's variables.",
        "Jumlah nilai tidak sesuai dengan variabel template.",
    ),
    (
        132_001,
        "This template does not exist in that language, or is not approved yet.",
        "Template ini tidak ada dalam bahasa tersebut, atau belum disetujui.",
    ),
    (
        132_005,
        "The template's text becomes too long with these values.",
        "Teks template menjadi terlalu panjang dengan nilai-nilai ini.",
    ),
    (
        132_007,
        "The template's content breaks WhatsApp's policies.",
        "Isi template melanggar kebijakan WhatsApp.",
    ),
    (
        132_012,
        "A value does not have the format the template expects.",
        "Ada nilai yang formatnya tidak sesuai dengan template.",
    ),
    (
        TEMPLATE_PAUSED,
        "WhatsApp has paused this template because of low quality.",
        "WhatsApp menjeda template ini karena kualitasnya rendah.",
    ),
    (
        TEMPLATE_DISABLED,
        "WhatsApp has permanently disabled this template because of low quality.",
        "WhatsApp menonaktifkan template ini secara permanen karena kualitasnya rendah.",
    ),
    (
        132_018,
        "A value holds a line break, a tab or more than four spaces in a row.",
        "Ada nilai yang memuat baris baru, tab, atau lebih dari empat spasi berurutan.",
    ),
    (
        133_010,
        "This number is not registered with WhatsApp.",
        "Nomor ini belum terdaftar di WhatsApp.",
    ),
    (
        135_000,
        "WhatsApp could not process this message.",
        "WhatsApp tidak dapat memproses pesan ini.",
    ),
];

/// A sentence that explains the code to people, if there is one.
pub fn explain(code: i64, locale: Locale) -> Option<&'static str> {
    let at = SENTENCES.binary_search_by_key(&code, |(code, ..)| *code).ok()?;
    SENTENCES.get(at).map(|(_, english, indonesian)| match locale {
        Locale::English => *english,
        Locale::Indonesian => *indonesian,
    })
}

#[cfg(test)]
mod tests {
    use super::{ErrorKind, KINDS, Locale, RANGES, SENTENCES, Scope, explain, kind};

    #[test]
    fn the_tables_are_in_order_so_that_they_can_be_searched() {
        assert!(KINDS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(SENTENCES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn every_listed_code_is_found() {
        for (code, expected) in KINDS {
            assert_eq!(kind(*code), Some(*expected), "{code}");
        }
        for (range, expected) in RANGES {
            assert_eq!(kind(*range.end()), Some(*expected));
        }
        for code in [-1, 5, 199, 300, 131_001, 140_000, i64::MAX] {
            assert_eq!(kind(code), None, "{code}");
        }
    }

    /// Retryable and blocking codes, as Meta's documentation lists them.
    #[test]
    fn codes_have_the_documented_kinds() {
        let of = |wanted: fn(ErrorKind) -> bool| -> Vec<i64> {
            KINDS
                .iter()
                .filter(|(_, kind)| wanted(*kind))
                .map(|(code, _)| *code)
                .collect()
        };
        let retryable = of(|kind| matches!(kind, ErrorKind::Retryable(_)));
        assert_eq!(
            retryable,
            [
                2, 4, 613, 80_007, 80_008, 130_429, 131_000, 131_016, 131_056, 131_057, 131_208, 133_004,
                134_101, 2_494_100
            ]
        );
        assert_eq!(of(|kind| kind == ErrorKind::TokenInvalid), [0, 190]);
        assert_eq!(
            of(|kind| kind == ErrorKind::AccountBlocked),
            [368, 131_031, 131_042, 131_044]
        );
        assert_eq!(kind(131_056), Some(ErrorKind::Retryable(Scope::Pair)));
        assert_eq!(kind(131_201), Some(ErrorKind::Rejected));
    }

    #[test]
    fn sentences_exist_in_both_languages() {
        assert!(explain(131_047, Locale::English).unwrap().contains("template"));
        assert!(explain(131_047, Locale::Indonesian).unwrap().contains("24 jam"));
        assert_eq!(explain(77, Locale::English), None);
        for (code, english, indonesian) in SENTENCES {
            assert!(kind(*code).is_some(), "{code} is explained but not known");
            assert!(
                english.ends_with('.') && indonesian.ends_with('.') && english != indonesian,
                "{code}"
            );
        }
    }
}
