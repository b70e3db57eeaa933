//! What a refusal of the database means to a client.

use axum::http::StatusCode;
use supabase::DatabaseError;

use crate::error::ApiError;
use crate::text::Text;

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Refused {
                status,
                code,
                message,
                field,
            } => refused(status, &code, message, field),
            DatabaseError::Unauthorized(_) => Self::unauthorized(Text::new(
                "Your session is no longer valid. Please sign in again.",
                "Sesi Anda sudah tidak berlaku. Silakan masuk lagi.",
            )),
            DatabaseError::Forbidden(_) => Self::forbidden(),
            DatabaseError::NotFound(_) => Self::not_found(),
            DatabaseError::Conflict { .. } => Self::new(
                StatusCode::CONFLICT,
                "conflict",
                Text::new(
                    "It conflicts with something that already exists.",
                    "Bertentangan dengan data yang sudah ada.",
                ),
            ),
            DatabaseError::Retryable(source) | DatabaseError::Unavailable(source) => {
                Self::unavailable(source.as_str())
            }
            // Handlers check values before the database does: what still arrives there is ours to mend.
            DatabaseError::Invalid(source) | DatabaseError::Unexpected(source) => {
                Self::internal(source.as_str())
            }
        }
    }
}

/// The refusals our SQL functions raise, with their Indonesian sentences: (code, status, sentence).
const REFUSALS: &[(&str, StatusCode, &str)] = &[
    (
        "number_taken",
        StatusCode::CONFLICT,
        "Nomor ini sudah terhubung ke organisasi lain.",
    ),
    (
        "meta_unavailable",
        StatusCode::SERVICE_UNAVAILABLE,
        "Meta sedang tidak menjawab. Silakan coba lagi sebentar lagi.",
    ),
    (
        "forbidden",
        StatusCode::FORBIDDEN,
        "Anda tidak berhak melakukan ini.",
    ),
    (
        "not_found",
        StatusCode::NOT_FOUND,
        "Yang Anda cari tidak ada di sini.",
    ),
    (
        "invalid_field",
        StatusCode::UNPROCESSABLE_ENTITY,
        "Beberapa isian tidak valid.",
    ),
    (
        "variables_unmapped",
        StatusCode::UNPROCESSABLE_ENTITY,
        "Ada variabel template yang belum diisi, atau isian yang tidak dimiliki template.",
    ),
    (
        "unknown_variable",
        StatusCode::UNPROCESSABLE_ENTITY,
        "Variabel seperti ini tidak ada.",
    ),
    (
        "shortcut_taken",
        StatusCode::CONFLICT,
        "Pintasan ini sudah dipakai.",
    ),
    (
        "invalid_filter",
        StatusCode::UNPROCESSABLE_ENTITY,
        "Saringan ini tidak valid di bagian yang disebut.",
    ),
    (
        "template_not_approved",
        StatusCode::UNPROCESSABLE_ENTITY,
        "Template belum disetujui Meta; hanya template yang disetujui dapat dikirim.",
    ),
    (
        "window_closed",
        StatusCode::CONFLICT,
        "Pelanggan terakhir menulis lebih dari 24 jam lalu: sekarang hanya template yang disetujui dapat dikirim.",
    ),
    (
        "number_unavailable",
        StatusCode::CONFLICT,
        "Nomor percakapan ini sedang tidak dapat mengirim.",
    ),
    (
        "email_not_confirmed",
        StatusCode::FORBIDDEN,
        "Konfirmasi alamat e-mail Anda terlebih dahulu.",
    ),
    (
        "already_member",
        StatusCode::CONFLICT,
        "Anda sudah menjadi anggota sebuah organisasi.",
    ),
    (
        "slug_taken",
        StatusCode::CONFLICT,
        "Nama singkat ini sudah dipakai.",
    ),
    (
        "email_taken",
        StatusCode::CONFLICT,
        "Alamat ini sudah dipakai oleh sebuah akun.",
    ),
    ("name_taken", StatusCode::CONFLICT, "Nama ini sudah dipakai."),
    (
        "role_too_high",
        StatusCode::FORBIDDEN,
        "Peran atau orang ini tidak berada di bawah tingkat Anda sendiri.",
    ),
    (
        "permission_not_held",
        StatusCode::FORBIDDEN,
        "Anda tidak dapat memberikan izin yang tidak Anda miliki.",
    ),
    (
        "own_account",
        StatusCode::FORBIDDEN,
        "Anda tidak dapat melakukan ini pada diri sendiri.",
    ),
    (
        "predefined_role",
        StatusCode::CONFLICT,
        "Peran bawaan sama untuk semua: buatlah peran sendiri.",
    ),
    (
        "role_in_use",
        StatusCode::CONFLICT,
        "Peran ini masih dipakai oleh seseorang atau sebuah kunci API.",
    ),
    (
        "last_super_admin",
        StatusCode::CONFLICT,
        "Super Admin terakhir tidak dapat dikeluarkan.",
    ),
    (
        "file_in_use",
        StatusCode::CONFLICT,
        "Berkas ini sudah sedang diimpor.",
    ),
    (
        "module_required",
        StatusCode::CONFLICT,
        "Modul ini masih dibutuhkan.",
    ),
    (
        "module_dependency",
        StatusCode::CONFLICT,
        "Modul ini membutuhkan modul lain yang sedang nonaktif.",
    ),
    (
        "unknown_api_key",
        StatusCode::UNAUTHORIZED,
        "Kunci API ini tidak dikenal.",
    ),
    (
        "api_key_revoked",
        StatusCode::UNAUTHORIZED,
        "Kunci API ini telah dicabut.",
    ),
    (
        "api_key_expired",
        StatusCode::UNAUTHORIZED,
        "Kunci API ini telah kedaluwarsa.",
    ),
    (
        "template_exists",
        StatusCode::CONFLICT,
        "Sudah ada template dengan nama ini dalam bahasa ini.",
    ),
    (
        "template_submitting",
        StatusCode::CONFLICT,
        "Template sedang diajukan saat ini.",
    ),
    (
        "template_changed",
        StatusCode::CONFLICT,
        "Seseorang baru saja mengubah template ini. Silakan muat ulang.",
    ),
    (
        "template_not_editable",
        StatusCode::CONFLICT,
        "WhatsApp hanya mengizinkan template yang disetujui, ditolak, atau dijeda untuk disunting dan diajukan.",
    ),
    (
        "template_unchanged",
        StatusCode::CONFLICT,
        "Tidak ada yang berubah sejak template ini disetujui.",
    ),
    (
        "template_edit_limit",
        StatusCode::CONFLICT,
        "Template yang disetujui hanya dapat disunting sekali dalam 24 jam dan sepuluh kali dalam 30 hari.",
    ),
    (
        "no_connected_number",
        StatusCode::CONFLICT,
        "Tidak ada nomor yang terhubung dari akun WhatsApp Business ini.",
    ),
    (
        "template_in_use",
        StatusCode::CONFLICT,
        "Template ini dipakai kampanye yang belum selesai.",
    ),
    (
        "template_not_deletable",
        StatusCode::CONFLICT,
        "WhatsApp tidak mengizinkan template yang dinonaktifkan untuk dihapus.",
    ),
    (
        "access_changed",
        StatusCode::CONFLICT,
        "Hak Anda baru saja berubah. Silakan coba lagi.",
    ),
    (
        "list_not_ready",
        StatusCode::CONFLICT,
        "Daftar penerima belum siap.",
    ),
    (
        "campaign_state",
        StatusCode::CONFLICT,
        "Kampanye dalam status ini tidak dapat diubah seperti itu.",
    ),
    (
        "no_agent_available",
        StatusCode::CONFLICT,
        "Tidak ada agen yang tersedia saat ini.",
    ),
    (
        "too_many",
        StatusCode::CONFLICT,
        "Jumlah maksimumnya sudah tercapai.",
    ),
    (
        "message_sending",
        StatusCode::CONFLICT,
        "Pesan ini sedang dikirim.",
    ),
    (
        "message_not_deletable",
        StatusCode::CONFLICT,
        "Reaksi, suntingan, atau penarikan bukan pesan tersendiri.",
    ),
    (
        "message_not_failed",
        StatusCode::CONFLICT,
        "Hanya pesan yang gagal, atau yang hasilnya tidak diketahui, dapat dikirim ulang.",
    ),
    (
        "already_resent",
        StatusCode::CONFLICT,
        "Pesan ini sudah dikirim ulang.",
    ),
    (
        "not_forwardable",
        StatusCode::CONFLICT,
        "Pesan ini tidak dapat diteruskan.",
    ),
    (
        "resync_required",
        StatusCode::CONFLICT,
        "Kejadian sejak saat itu sudah tidak disimpan. Silakan muat ulang semuanya.",
    ),
    (
        "nothing_to_retry",
        StatusCode::CONFLICT,
        "Tidak ada lagi yang dapat dicoba ulang.",
    ),
    ("contact_blocked", StatusCode::CONFLICT, "Kontak ini diblokir."),
    (
        "contact_opted_out",
        StatusCode::CONFLICT,
        "Kontak ini tidak ingin menerima pesan pemasaran.",
    ),
    (
        "contact_unreachable",
        StatusCode::CONFLICT,
        "Kontak ini tidak lagi memiliki nomor atau id WhatsApp.",
    ),
    (
        "contact_changed",
        StatusCode::CONFLICT,
        "Seseorang baru saja mengubah kontak ini. Silakan muat ulang.",
    ),
    (
        "too_many_fields",
        StatusCode::CONFLICT,
        "Sudah ada 100 isian kontak.",
    ),
    (
        "field_values",
        StatusCode::CONFLICT,
        "Ada kontak dengan nilai yang tidak sesuai dengan perubahan ini.",
    ),
];

fn refused(status: u16, code: &str, message: String, field: Option<String>) -> ApiError {
    let Some(&(code, status, indonesian)) = REFUSALS.iter().find(|(known, ..)| *known == code) else {
        return ApiError::internal(format!("unknown refusal {status} {code}: {message}"));
    };
    let text = Text::new(message, indonesian);
    let error = ApiError::new(status, code, text.clone());
    match field {
        Some(field) => error.with_field(field, text),
        None => error,
    }
}
