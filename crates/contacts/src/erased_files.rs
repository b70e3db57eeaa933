//! Removes the files of erased contacts from Storage, after the database has forgotten them.

use serde::Deserialize;
use serde_json::json;

use crm_core::app::App;
use crm_core::error::ApiError;

const BATCH: u32 = 100;
/// The most batches of one run.
const MAX_BATCHES: u32 = 20;

#[derive(Deserialize)]
struct File {
    bucket: String,
    path: String,
}

/// Removes the waiting files. If that fails, housekeeping tries again.
pub(super) async fn remove_soon(app: &App) {
    if let Err(error) = remove(app).await {
        log::warn!("files of erased contacts stay for now: {}", error.code());
    }
}

/// Removes the waiting files, and returns how many there were.
pub async fn remove(app: &App) -> Result<usize, ApiError> {
    let mut removed = 0;
    for _ in 0..MAX_BATCHES {
        let service = app.supabase().as_service();
        let files: Vec<File> = service
            .rpc("files_to_remove", &json!({ "batch": BATCH }))
            .await
            .map_err(ApiError::from)?;
        let Some(bucket) = files.first().map(|file| file.bucket.clone()) else {
            break;
        };
        let paths: Vec<&str> = files
            .iter()
            .filter(|file| file.bucket == bucket)
            .map(|file| file.path.as_str())
            .collect();
        app.supabase()
            .storage()
            .remove(&bucket, &paths)
            .await
            .map_err(|error| ApiError::unavailable(error.to_string()))?;
        removed += paths.len();
        service
            .rpc::<()>(
                "record_files_removed",
                &json!({ "bucket": bucket, "paths": paths }),
            )
            .await
            .map_err(ApiError::from)?;
    }
    Ok(removed)
}
