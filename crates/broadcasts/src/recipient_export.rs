//! A campaign's recipients as a file, page by page.

use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::{StreamExt, stream};

use super::recipient_list::{CampaignRecipient, RecipientPage, Recipients};
use crm_core::error::ApiError;
use crm_core::text::Language;
use tables::table_export::{TableExport, TableFormat, download};

/// Recipients that are asked for at once.
const PAGE: u32 = 1000;

/// Everybody who is asked for, in order. The first page is read before the answer begins, so that what is wrong is told as
/// an error.
pub(super) async fn export(recipients: Recipients, format: TableFormat) -> Result<Response, ApiError> {
    let first = recipients.page(None, None, PAGE).await?;
    let table = TableExport::new(format, &columns(Language::of_request()))
        .map_err(|_| ApiError::internal("a table cannot be begun"))?;
    let behind = stream::unfold(Some((recipients, first.next_cursor)), |state| async move {
        let (recipients, after) = state?;
        // the last page has been given
        let after = after?;
        match recipients.page(None, Some(after), PAGE).await {
            Ok(page) => {
                let next = page.next_cursor;
                Some((Ok(rows(&page)), Some((recipients, next))))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    let pages = stream::once(std::future::ready(Ok(rows(&first)))).chain(behind);
    Ok(download(format, "campaign-recipients", table, pages))
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

fn rows(page: &RecipientPage) -> Vec<Vec<String>> {
    page.data.iter().map(row).collect()
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
