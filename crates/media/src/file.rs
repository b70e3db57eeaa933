//! `GET` and `DELETE /api/whatsapp/media/{id}`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use supabase::StorageError;
use utoipa::ToSchema;
use uuid::Uuid;

use super::BUCKET;
use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::{MediaDelete, MediaView};
use crm_core::routes;

/// How long a link is valid.
const LINK_LIFETIME: Duration = Duration::from_secs(10 * 60);

crm_core::words! {
    /// The kind of message that a file is sent as.
    pub(crate) MediaFileKind = "image", "video", "audio", "document", "sticker";
    /// Whether a file can be opened.
    pub(crate) MediaFileState = "pending", "stored", "failed", "gone";
}

/// A file of a message, or an upload.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct MediaFile {
    id: Uuid,
    /// Null for an upload that was not sent.
    message_id: Option<Uuid>,
    session_id: Uuid,
    /// `image`, `video`, `audio`, `document` or `sticker`
    #[schema(value_type = MediaFileKind)]
    kind: String,
    #[schema(example = "application/pdf")]
    mime_type: Option<String>,
    /// The file name, made safe whatever the sender chose.
    #[schema(example = "katalog.pdf")]
    file_name: String,
    #[schema(example = 182044)]
    file_size: Option<u64>,
    sha256: Option<String>,
    /// `pending` (being fetched), `stored`, `failed`, or `gone` if Meta no longer has it.
    #[schema(value_type = MediaFileState)]
    state: String,
    /// Meta's id of the file.
    meta_media_id: Option<String>,
    /// Meta keeps the file until then.
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
}

/// A file with a link to it.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenedFile {
    #[serde(flatten)]
    file: MediaFile,
    /// A link that opens the file without further credentials. Null unless the file is `stored`.
    url: Option<String>,
    url_expires_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(flatten)]
    file: MediaFile,
    storage_path: Option<String>,
}

/// `/api/whatsapp/media/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_file, delete_file))
}

/// Get one file.
///
/// The id is that of the file or of its message. `url` opens the file for ten minutes, without further credentials.
#[utoipa::path(
    get, path = "/api/whatsapp/media/{id}", tag = "whatsapp",
    params(("id" = Uuid, Path, description = "The id of the file or of its message")),
    responses((status = 200, body = OpenedFile)),
)]
pub(crate) async fn get_file(
    State(app): State<App>,
    permitted: Permitted<MediaView>,
    PathId(id): PathId,
) -> Result<Json<OpenedFile>, ApiError> {
    let row: Option<Row> = permitted
        .caller
        .database()
        .rpc("get_media", &json!({ "media_id": id }))
        .await?;
    let Row { file, storage_path } = row.ok_or_else(ApiError::not_found)?;
    let url = match storage_path {
        // Documents are downloaded and never shown, because a browser must not run a file from a stranger.
        Some(path) => {
            let save_as = (file.kind == "document").then_some(file.file_name.as_str());
            let signed = app
                .supabase()
                .storage()
                .sign(BUCKET, &path, LINK_LIFETIME, save_as)
                .await;
            Some(signed.map_err(|error| unavailable(&error))?)
        }
        None => None,
    };
    Ok(Json(OpenedFile {
        url_expires_at: url.as_ref().map(|_| Utc::now() + LINK_LIFETIME),
        file,
        url,
    }))
}

#[derive(Deserialize)]
struct Deleted {
    storage_path: Option<String>,
}

/// Delete a file.
///
/// The stored file is removed for good; its message stays.
#[utoipa::path(
    delete, path = "/api/whatsapp/media/{id}", tag = "whatsapp",
    params(("id" = Uuid, Path, description = "The id of the file or of its message")),
    responses((status = 204)),
)]
pub(crate) async fn delete_file(
    State(app): State<App>,
    permitted: Permitted<MediaDelete>,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    let deleted: Deleted = permitted
        .caller
        .database()
        .rpc("delete_media", &json!({ "media_id": id }))
        .await?;
    if let Some(path) = deleted.storage_path {
        app.supabase()
            .storage()
            .remove(BUCKET, &[&path])
            .await
            .map_err(|error| unavailable(&error))?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Removes stored files whose rows are gone. Files that cannot be removed are reported in the log.
pub async fn remove_files(app: &App, paths: &[String]) {
    for some in paths.chunks(100) {
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        if let Err(error) = app.supabase().storage().remove(BUCKET, &some).await {
            log::error!(
                "{} files of deleted messages stay in Storage: {error}",
                some.len()
            );
        }
    }
}

pub(super) fn unavailable(error: &StorageError) -> ApiError {
    ApiError::unavailable(error.to_string())
}
