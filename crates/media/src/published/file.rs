//! `DELETE /api/whatsapp/media/published/{id}`.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::MediaDelete;
use crm_core::public_media::{BUCKET, public_url};
use crm_core::routes;

/// What a published file can be sent as.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PublishedFileKind {
    Image,
    Video,
    Audio,
    Document,
}

/// A file of the public bucket, as the database knows it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Row {
    id: Uuid,
    kind: PublishedFileKind,
    #[schema(example = "image/png")]
    mime_type: String,
    /// The size in bytes.
    #[schema(example = 182044)]
    file_size: u64,
    /// The SHA-256 of the bytes, in hex.
    #[schema(example = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    sha256: String,
    /// The file name, made safe whatever the uploader chose.
    #[schema(example = "promo.png")]
    file_name: String,
    /// What templates and quick replies name the file by.
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10/0b0e3f3c-51b0-4f4e-8c7e-1f1b6a3f9f10.png")]
    path: String,
    created_at: DateTime<Utc>,
}

/// A file that everyone with its address can read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublishedFile {
    #[serde(flatten)]
    row: Row,
    #[schema(
        format = "uri",
        example = "https://project.supabase.co/storage/v1/object/public/broadcast-media/promo.png"
    )]
    url: String,
}

impl Row {
    /// The file with its address.
    pub(super) fn shown(self, app: &App) -> Result<PublishedFile, ApiError> {
        let url = public_url(&app.config().supabase.url, &self.path)
            .ok_or_else(|| ApiError::internal("the address of storage cannot be built"))?;
        Ok(PublishedFile {
            row: self,
            url: url.into(),
        })
    }
}

/// `/api/whatsapp/media/published/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(delete_published_file))
}

/// Delete a published file.
///
/// A file that a template or a quick reply uses stays: `published_file_in_use`.
#[utoipa::path(
    delete, path = "/api/whatsapp/media/published/{id}", tag = "whatsapp",
    params(("id" = Uuid, Path, description = "The id of the published file")),
    responses((status = 204), (status = 409, description = "published_file_in_use")),
)]
pub(crate) async fn delete_published_file(
    State(app): State<App>,
    permitted: Permitted<MediaDelete>,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    let path: String = permitted
        .caller
        .database()
        .rpc("delete_published_file", &json!({ "file_id": id }))
        .await?;
    let removed = app.supabase().storage().remove(BUCKET, &[&path]).await;
    if let Err(error) = removed {
        log::warn!("published file {id}: not removed yet: {error}");
    }
    Ok(StatusCode::NO_CONTENT)
}
