//! Fetches files of customers from Meta into Storage. Each file is stored as work together with its message. A fetch
//! that fails is repeated after growing waits, until Meta deletes the file.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt, stream};
use reqwest::Body;
use serde::{Deserialize, Serialize};
use serde_json::json;
use supabase::{DatabaseError, NewObject};
use tokio::time::Instant;
use uuid::Uuid;
use whatsapp::client::limits::{LARGEST_FILE, format_of};
use whatsapp::client::{MediaError, SendError, StoredMedia};

use super::BUCKET;
use super::metered::{hex, metered};
use crm_core::app::App;
use crm_core::background::Background;
use sending::number_token;

/// The most files that are fetched at the same time.
const AT_ONCE: usize = 4;
/// How long one fetch after a webhook continues.
const SOON: Duration = Duration::from_secs(15);

/// Meta's code for a file that cannot be downloaded.
const NOT_DOWNLOADABLE: i64 = 131_052;

/// The results of a fetch.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Fetched {
    pub(crate) stored: usize,
    /// The number of files that Meta no longer has.
    pub(crate) gone: usize,
    /// The number of files that will be tried again.
    pub(crate) failed: usize,
}

/// A file that is due.
#[derive(Deserialize)]
struct Pending {
    id: Uuid,
    session_id: Uuid,
    phone_number_id: String,
    meta_media_id: String,
    storage_path: String,
}

/// The stored file.
struct Stored {
    size: u64,
    sha256: String,
    mime_type: Option<String>,
}

/// The reason why a file could not be fetched.
enum Failure {
    Gone,
    Again(String),
}

/// Whether a delivery of Meta may contain messages with files, which state the type of the file.
pub fn may_hold_files(delivery: &[u8]) -> bool {
    const TYPE: &[u8] = b"\"mime_type\"";
    delivery.windows(TYPE.len()).any(|window| window == TYPE)
}

/// Fetches due files after the answer. Call it when a message with a file has arrived.
pub fn fetch_soon(app: &App, background: &Background) {
    let app = app.clone();
    background.run(async move {
        if let Err(error) = fetch_pending(&app, SOON).await {
            log::warn!("files were not fetched: {}", error.source_text());
        }
    });
}

/// Fetches due files for as long as `time`.
pub async fn fetch_pending(app: &App, time: Duration) -> Result<Fetched, DatabaseError> {
    let deadline = Instant::now() + time;
    let mut total = Fetched::default();
    while Instant::now() < deadline {
        let pending: Vec<Pending> = app
            .supabase()
            .as_service()
            .rpc("claim_media", &json!({ "batch": AT_ONCE }))
            .await?;
        if pending.is_empty() {
            break;
        }
        let outcomes: Vec<_> = stream::iter(pending)
            .map(|file| async move {
                let outcome = fetch(app, &file).await;
                (file, outcome)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (file, outcome) in outcomes {
            match &outcome {
                Ok(_) => total.stored += 1,
                Err(Failure::Gone) => total.gone += 1,
                Err(Failure::Again(reason)) => {
                    log::warn!("file {}: {reason}", file.id);
                    total.failed += 1;
                }
            }
            finish(app, &file, outcome).await?;
        }
    }
    Ok(total)
}

async fn finish(app: &App, file: &Pending, outcome: Result<Stored, Failure>) -> Result<(), DatabaseError> {
    let arguments = match outcome {
        Ok(stored) => json!({
            "media_id": file.id, "outcome": "stored", "storage_path": file.storage_path,
            "file_size": stored.size, "sha256": stored.sha256, "mime_type": stored.mime_type,
        }),
        Err(Failure::Gone) => json!({ "media_id": file.id, "outcome": "gone" }),
        Err(Failure::Again(reason)) => {
            json!({ "media_id": file.id, "outcome": "failed", "problem": reason })
        }
    };
    app.supabase().as_service().rpc("finish_media", &arguments).await
}

async fn fetch(app: &App, file: &Pending) -> Result<Stored, Failure> {
    let token = number_token(app, file.session_id).await.map_err(again)?;
    let media = app.graph().media(&token);
    let info = media
        .info(&file.meta_media_id, &file.phone_number_id)
        .await
        .map_err(meta_failure)?;
    if info.file_size.is_some_and(|size| size > LARGEST_FILE) {
        return Err(Failure::Gone);
    }
    let download = media.download(&info).await.map_err(|error| match error {
        // The address is valid for five minutes: the next attempt asks for a new one.
        MediaError::Gone => Failure::Again("Meta's address of the file has expired".to_owned()),
        error => meta_failure(error),
    })?;
    let length = download.length();
    let (bytes, meter) = metered(download.into_stream(), LARGEST_FILE);
    let object = NewObject {
        bucket: BUCKET,
        path: &file.storage_path,
        content_type: served_as(&info),
        length,
    };
    app.supabase()
        .storage()
        .upload(&object, Body::wrap_stream(bytes))
        .await
        .map_err(|error| {
            if meter.exceeded() {
                Failure::Gone
            } else {
                again(error)
            }
        })?;

    let hash = meter.hash();
    let complete = info.file_size.is_none_or(|size| size == meter.count())
        && info
            .sha256
            .as_deref()
            .is_none_or(|expected| is_hash(expected, &hash));
    if !complete {
        return Err(Failure::Again("the file is not the one that Meta has".to_owned()));
    }
    Ok(Stored {
        size: meter.count(),
        sha256: hex(&hash),
        mime_type: info.mime_type,
    })
}

fn again(error: impl std::fmt::Display) -> Failure {
    Failure::Again(error.to_string())
}

fn meta_failure(error: MediaError) -> Failure {
    match error {
        MediaError::Gone => Failure::Gone,
        // Meta cannot deliver this file, now or later.
        MediaError::Call(SendError::Rejected { error }) if error.code == NOT_DOWNLOADABLE => Failure::Gone,
        error => again(error),
    }
}

/// The type with which the file is served. A file that a browser might run is only ever downloaded.
fn served_as(info: &StoredMedia) -> &'static str {
    info.mime_type
        .as_deref()
        .and_then(format_of)
        .map_or("application/octet-stream", |format| format.mime_type)
}

/// Meta writes hashes in hex in some places and in base64 in others.
fn is_hash(text: &str, hash: &[u8; 32]) -> bool {
    text.eq_ignore_ascii_case(&hex(hash)) || text == STANDARD.encode(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_with_files_are_recognised() {
        assert!(may_hold_files(br#"{"image":{"mime_type":"image/jpeg"}}"#));
        assert!(!may_hold_files(br#"{"text":{"body":"what is mime_type?"}}"#));
    }

    #[test]
    fn hashes_are_known_in_both_forms() {
        let hash = [0xab; 32];
        assert!(is_hash(&"ab".repeat(32), &hash) && is_hash(&"AB".repeat(32), &hash));
        assert!(is_hash(&STANDARD.encode(hash), &hash));
        assert!(!is_hash(&"ac".repeat(32), &hash) && !is_hash("", &hash));
    }
}
