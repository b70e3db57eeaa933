//! The reasons why a whole import failed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crm_core::text::{Language, Text};

crm_core::words! {
    /// The reason why a file did not become what it should: `rows_with_errors` and `no_recipients` only of recipient
    /// lists.
    pub ImportFailure = "rows_with_errors", "no_recipients", "file_unreadable", "gave_up", "not_permitted";
}

/// The reason of a failure, as a code and as a sentence. Both are null unless the import failed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(from = "StoredFailure")]
#[schema(as = ImportFailureReason)]
pub struct FailureReason {
    /// The reason for programs: `rows_with_errors`, `no_recipients`, `file_unreadable`, `gave_up` (two readers died at
    /// the same row), or `not_permitted` (its author may no longer import).
    #[schema(value_type = Option<ImportFailure>)]
    status_reason: Option<String>,
    /// The reason for people, in the language of `Accept-Language`.
    #[schema(example = "Reading the file was interrupted twice at the same row.")]
    status_text: Option<String>,
}

/// The reason as the database keeps it.
#[derive(Deserialize)]
struct StoredFailure {
    status_reason: Option<String>,
}

impl From<StoredFailure> for FailureReason {
    fn from(stored: StoredFailure) -> Self {
        let text = stored.status_reason.as_deref().and_then(text_of);
        Self {
            status_text: text.map(|text| text.in_language(Language::of_request()).to_owned()),
            status_reason: stored.status_reason,
        }
    }
}

fn text_of(reason: &str) -> Option<Text> {
    Some(match reason {
        "gave_up" => Text::new(
            "Reading the file was interrupted twice at the same row. Save it as a new CSV file, or split it, and import it again.",
            "Pembacaan berkas terputus dua kali di baris yang sama. Simpan sebagai berkas CSV baru, atau bagi berkasnya, lalu impor lagi.",
        ),
        "not_permitted" => Text::new(
            "The import ended because its author may no longer import.",
            "Impor berhenti karena pembuatnya tidak lagi boleh mengimpor.",
        ),
        "file_unreadable" => Text::new(
            "The file cannot be read. Save it as a new CSV or XLSX file and import it again.",
            "Berkas tidak dapat dibaca. Simpan sebagai berkas CSV atau XLSX baru, lalu impor lagi.",
        ),
        "rows_with_errors" => Text::new(
            "Some rows have errors, and the list was to be refused in that case.",
            "Ada baris yang salah, dan daftar ini diminta untuk ditolak dalam hal itu.",
        ),
        "no_recipients" => Text::new(
            "No row of the file could be used.",
            "Tidak ada baris berkas yang dapat dipakai.",
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_reason_has_a_sentence_in_both_languages() {
        for reason in [
            "rows_with_errors",
            "no_recipients",
            "file_unreadable",
            "gave_up",
            "not_permitted",
        ] {
            let text = text_of(reason).unwrap();
            assert_ne!(
                text.in_language(Language::English),
                text.in_language(Language::Indonesian)
            );
        }
        let read = |stored: serde_json::Value| {
            let reason: FailureReason = serde_json::from_value(stored).unwrap();
            serde_json::to_value(reason).unwrap()
        };
        assert_eq!(
            read(json!({ "status_reason": null })),
            json!({ "status_reason": null, "status_text": null })
        );
        assert_eq!(
            read(json!({ "status_reason": "no_recipients" })),
            json!({ "status_reason": "no_recipients", "status_text": "No row of the file could be used." })
        );
    }
}
