//! The recipients of a campaign as a file, read page by page.

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::recipient_list::{CampaignRecipient, RecipientPage, Recipients};
use crm_core::error::ApiError;
use crm_core::text::Language;
use tables::table_export::{AuditedQuery, Export, PagedQuery};

/// The number of recipients that one query reads.
const PAGE: u32 = 1000;

impl PagedQuery for Recipients {
    type Page = RecipientPage;
    type Cursor = Uuid;

    async fn page(&self, cursor: Option<Uuid>) -> Result<RecipientPage, ApiError> {
        self.read(None, cursor, PAGE).await
    }

    fn next(page: &RecipientPage) -> Option<Uuid> {
        page.next_cursor
    }

    fn columns(&self, _first: &RecipientPage) -> Vec<String> {
        columns(Language::of_request()).map(str::to_owned).into()
    }

    fn rows(&self, page: &RecipientPage) -> Vec<Vec<String>> {
        page.data.iter().map(row).collect()
    }
}

impl AuditedQuery for Recipients {
    fn export(&self) -> Export<'_> {
        self.as_export()
    }
}

fn columns(language: Language) -> [&'static str; 14] {
    match language {
        Language::English => [
            "position",
            "phone_number",
            "name",
            "status",
            "skip_reason",
            "sent_at",
            "delivered_at",
            "read_at",
            "failed_at",
            "replied_at",
            "error_code",
            "error",
            "attempts",
            "message",
        ],
        Language::Indonesian => [
            "urutan",
            "nomor_telepon",
            "nama",
            "status",
            "alasan_dilewati",
            "waktu_terkirim",
            "waktu_sampai",
            "waktu_dibaca",
            "waktu_gagal",
            "waktu_dibalas",
            "kode_galat",
            "galat",
            "percobaan",
            "pesan",
        ],
    }
}

fn row(recipient: &CampaignRecipient) -> Vec<String> {
    let error = [
        recipient.error_title.as_deref(),
        recipient.error_details.as_deref(),
    ];
    vec![
        recipient.position.to_string(),
        recipient.phone_number.clone(),
        recipient.name.clone().unwrap_or_default(),
        recipient.status.clone(),
        recipient.skip_reason.clone().unwrap_or_default(),
        moment(recipient.sent_at),
        moment(recipient.delivered_at),
        moment(recipient.read_at),
        moment(recipient.failed_at),
        moment(recipient.replied_at),
        recipient
            .error_code
            .map(|code| code.to_string())
            .unwrap_or_default(),
        error.into_iter().flatten().collect::<Vec<_>>().join(": "),
        recipient.attempts.to_string(),
        recipient.preview.clone().unwrap_or_default(),
    ]
}

fn moment(at: Option<DateTime<Utc>>) -> String {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
        .unwrap_or_default()
}
