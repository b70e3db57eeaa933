//! The refusals that our SQL functions raise: code, status, and the Indonesian sentence. The SQL function gives the
//! English sentence.

use axum::http::StatusCode;

/// The refusals, sorted by code.
pub(crate) const REFUSALS: &[(&str, StatusCode, &str)] = &[
    (
        "access_changed",
        StatusCode::CONFLICT,
        "Hak Anda baru saja berubah. Silakan coba lagi.",
    ),
    (
        "already_member",
        StatusCode::CONFLICT,
        "Anda sudah menjadi anggota sebuah organisasi.",
    ),
    (
        "already_resent",
        StatusCode::CONFLICT,
        "Pesan ini sudah dikirim ulang.",
    ),
    (
        "api_key_expired",
        StatusCode::UNAUTHORIZED,
        "Kunci API ini telah kedaluwarsa.",
    ),
    (
        "api_key_revoked",
        StatusCode::UNAUTHORIZED,
        "Kunci API ini telah dicabut.",
    ),
    (
        "api_keys_undecided",
        StatusCode::CONFLICT,
        "Kunci API yang dibuat orang ini masih berlaku: tentukan dengan api_keys apakah dipertahankan (keep) atau dicabut (revoke).",
    ),
    (
        "campaign_problems",
        StatusCode::UNPROCESSABLE_ENTITY,
        "Pemeriksaan kampanye menemukan kesalahan. Perbaiki, atau sebutkan kodenya di accept_problems.",
    ),
    (
        "campaign_state",
        StatusCode::CONFLICT,
        "Kampanye dalam status ini tidak dapat diubah seperti itu.",
    ),
    ("contact_blocked", StatusCode::CONFLICT, "Kontak ini diblokir."),
    (
        "contact_changed",
        StatusCode::CONFLICT,
        "Seseorang baru saja mengubah kontak ini. Silakan muat ulang.",
    ),
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
        "conversations_hidden",
        StatusCode::FORBIDDEN,
        "Anda tidak dapat melihat semua percakapan kontak ini.",
    ),
    (
        "count_differs",
        StatusCode::CONFLICT,
        "Jumlah kontak berbeda dari yang Anda sebutkan di expected_count. Tidak ada yang diubah.",
    ),
    (
        "email_not_confirmed",
        StatusCode::FORBIDDEN,
        "Konfirmasi alamat e-mail Anda terlebih dahulu.",
    ),
    (
        "email_taken",
        StatusCode::CONFLICT,
        "Alamat ini sudah milik seseorang di organisasi Anda.",
    ),
    (
        "field_values",
        StatusCode::CONFLICT,
        "Ada kontak dengan nilai yang tidak sesuai dengan perubahan ini.",
    ),
    (
        "file_in_use",
        StatusCode::CONFLICT,
        "Berkas ini sudah sedang diimpor.",
    ),
    (
        "forbidden",
        StatusCode::FORBIDDEN,
        "Anda tidak berhak melakukan ini.",
    ),
    (
        "invalid_field",
        StatusCode::UNPROCESSABLE_ENTITY,
        "Beberapa isian tidak valid.",
    ),
    (
        "invalid_filter",
        StatusCode::UNPROCESSABLE_ENTITY,
        "Saringan ini tidak valid di bagian yang disebut.",
    ),
    (
        "invitation_expired",
        StatusCode::CONFLICT,
        "Undangan ini telah kedaluwarsa. Mintalah undangan baru.",
    ),
    (
        "last_super_admin",
        StatusCode::CONFLICT,
        "Super Admin terakhir tidak dapat dikeluarkan.",
    ),
    (
        "list_not_ready",
        StatusCode::CONFLICT,
        "Daftar penerima belum siap.",
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
        "message_sending",
        StatusCode::CONFLICT,
        "Pesan ini sedang dikirim.",
    ),
    (
        "meta_unavailable",
        StatusCode::SERVICE_UNAVAILABLE,
        "Meta sedang tidak menjawab. Silakan coba lagi sebentar lagi.",
    ),
    (
        "module_dependency",
        StatusCode::CONFLICT,
        "Modul ini membutuhkan modul lain yang sedang nonaktif.",
    ),
    (
        "module_required",
        StatusCode::CONFLICT,
        "Modul ini masih dibutuhkan.",
    ),
    ("name_taken", StatusCode::CONFLICT, "Nama ini sudah dipakai."),
    (
        "no_agent_available",
        StatusCode::CONFLICT,
        "Tidak ada agen yang tersedia saat ini.",
    ),
    (
        "no_connected_number",
        StatusCode::CONFLICT,
        "Tidak ada nomor yang terhubung dari akun WhatsApp Business ini.",
    ),
    (
        "not_forwardable",
        StatusCode::CONFLICT,
        "Pesan ini tidak dapat diteruskan.",
    ),
    (
        "not_found",
        StatusCode::NOT_FOUND,
        "Yang Anda cari tidak ada di sini.",
    ),
    (
        "nothing_to_retry",
        StatusCode::CONFLICT,
        "Tidak ada lagi yang dapat dicoba ulang.",
    ),
    (
        "number_taken",
        StatusCode::CONFLICT,
        "Nomor ini sudah terhubung ke organisasi lain.",
    ),
    (
        "number_unavailable",
        StatusCode::CONFLICT,
        "Nomor percakapan ini sedang tidak dapat mengirim.",
    ),
    (
        "other_address",
        StatusCode::FORBIDDEN,
        "Undangan ini untuk alamat lain.",
    ),
    (
        "own_account",
        StatusCode::FORBIDDEN,
        "Anda tidak dapat melakukan ini pada diri sendiri.",
    ),
    (
        "permission_not_held",
        StatusCode::FORBIDDEN,
        "Anda tidak dapat memberikan izin yang tidak Anda miliki.",
    ),
    (
        "person_left",
        StatusCode::CONFLICT,
        "Orang ini telah keluar dari organisasi: undanglah kembali.",
    ),
    (
        "predefined_role",
        StatusCode::CONFLICT,
        "Peran bawaan sama untuk semua: buatlah peran sendiri.",
    ),
    (
        "published_file_in_use",
        StatusCode::CONFLICT,
        "Template atau balasan cepat memakai berkas ini.",
    ),
    (
        "request_running",
        StatusCode::CONFLICT,
        "Permintaan lain dengan Idempotency-Key ini sedang berjalan.",
    ),
    (
        "resync_required",
        StatusCode::CONFLICT,
        "Kejadian sejak saat itu sudah tidak disimpan. Silakan muat ulang semuanya.",
    ),
    (
        "role_in_use",
        StatusCode::CONFLICT,
        "Peran ini masih dipakai oleh seseorang atau sebuah kunci API.",
    ),
    (
        "role_too_high",
        StatusCode::FORBIDDEN,
        "Peran atau orang ini tidak berada di bawah tingkat Anda sendiri.",
    ),
    (
        "shortcut_taken",
        StatusCode::CONFLICT,
        "Pintasan ini sudah dipakai.",
    ),
    (
        "slug_taken",
        StatusCode::CONFLICT,
        "Nama singkat ini sudah dipakai.",
    ),
    (
        "template_changed",
        StatusCode::CONFLICT,
        "Seseorang baru saja mengubah template ini. Silakan muat ulang.",
    ),
    (
        "template_edit_limit",
        StatusCode::CONFLICT,
        "Template yang disetujui hanya dapat disunting sekali dalam 24 jam dan sepuluh kali dalam 30 hari.",
    ),
    (
        "template_exists",
        StatusCode::CONFLICT,
        "Sudah ada template dengan nama ini dalam bahasa ini.",
    ),
    (
        "template_in_use",
        StatusCode::CONFLICT,
        "Template ini dipakai kampanye yang belum selesai.",
    ),
    (
        "template_not_approved",
        StatusCode::UNPROCESSABLE_ENTITY,
        "Template belum disetujui Meta; hanya template yang disetujui dapat dikirim.",
    ),
    (
        "template_not_deletable",
        StatusCode::CONFLICT,
        "WhatsApp tidak mengizinkan template yang dinonaktifkan untuk dihapus.",
    ),
    (
        "template_not_editable",
        StatusCode::CONFLICT,
        "WhatsApp hanya mengizinkan template yang disetujui, ditolak, atau dijeda untuk disunting dan diajukan.",
    ),
    (
        "template_submitting",
        StatusCode::CONFLICT,
        "Template sedang diajukan saat ini.",
    ),
    (
        "template_unchanged",
        StatusCode::CONFLICT,
        "Tidak ada yang berubah sejak template ini disetujui.",
    ),
    (
        "too_many",
        StatusCode::CONFLICT,
        "Jumlah maksimumnya sudah tercapai.",
    ),
    (
        "too_many_fields",
        StatusCode::CONFLICT,
        "Sudah ada 100 isian kontak.",
    ),
    (
        "too_many_requests",
        StatusCode::TOO_MANY_REQUESTS,
        "Terlalu banyak permintaan. Silakan tunggu sebentar.",
    ),
    (
        "unknown_api_key",
        StatusCode::UNAUTHORIZED,
        "Kunci API ini tidak dikenal.",
    ),
    (
        "unknown_variable",
        StatusCode::UNPROCESSABLE_ENTITY,
        "Variabel seperti ini tidak ada.",
    ),
    (
        "variables_unmapped",
        StatusCode::UNPROCESSABLE_ENTITY,
        "Ada variabel template yang belum diisi, atau isian yang tidak dimiliki template.",
    ),
    (
        "window_closed",
        StatusCode::CONFLICT,
        "Pelanggan terakhir menulis lebih dari 24 jam lalu: sekarang hanya template yang disetujui dapat dikirim.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_unique() {
        assert!(REFUSALS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
