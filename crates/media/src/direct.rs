//! Uploads of large files. The platform accepts requests of a few megabytes only, so the client uploads the file
//! directly into Storage, to a signed address, and then names its path.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use reqwest::Body;
use serde::{Deserialize, Serialize};
use supabase::{NewObject, StorageError};
use utoipa::ToSchema;
use uuid::Uuid;

use super::BUCKET;
use super::file::unavailable;
use super::metered::metered;
use super::sniff::{self, sniff};
use super::upload::{Destination, too_large, wrong_type};
use crm_core::app::App;
use crm_core::caller::Caller;
use crm_core::error::ApiError;
use crm_core::json_body::created;
use crm_core::text::Text;

/// Asks for an address to upload a file to. With `storage_path`, reports that the file has been uploaded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DirectUpload {
    #[schema(max_length = 1000, example = "katalog.pdf")]
    file_name: String,
    /// The number to send the file from; the first connected one if left out.
    session_id: Option<Uuid>,
    /// `document` sends a photo or film as a file.
    #[serde(rename = "type")]
    kind: Option<DirectKind>,
    /// The path from the previous answer.
    storage_path: Option<String>,
}

/// A kind that differs from the kind of the file itself.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum DirectKind {
    Document,
}

/// The address to upload a file to, by `PUT` within two hours.
#[derive(Serialize, ToSchema)]
pub(crate) struct UploadAddress {
    #[schema(
        format = "uri",
        example = "https://project.supabase.co/storage/v1/object/upload/sign/chat-media/katalog.pdf?token=..."
    )]
    upload_url: String,
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10/katalog.pdf")]
    storage_path: String,
}

/// A row that exists.
#[derive(Deserialize)]
struct Known {}

impl DirectUpload {
    pub(super) async fn answer(self, app: &App, caller: &Caller) -> Result<Response, ApiError> {
        let destination = Destination {
            app,
            caller,
            session: self.session_id,
            as_document: self.kind.is_some(),
        };
        match &self.storage_path {
            None => {
                let place = destination.place(None, &self.file_name).await?;
                let upload_url = app
                    .supabase()
                    .storage()
                    .sign_upload(BUCKET, &place.storage_path)
                    .await
                    .map_err(|error| unavailable(&error))?;
                let address = UploadAddress {
                    upload_url,
                    storage_path: place.storage_path,
                };
                Ok((StatusCode::OK, Json(address)).into_response())
            }
            Some(path) => {
                let file = self.take(&destination, path).await?;
                Ok(created(file).into_response())
            }
        }
    }

    async fn take(
        &self,
        destination: &Destination<'_>,
        path: &str,
    ) -> Result<super::file::MediaFile, ApiError> {
        let (session, id) = own_path(destination.caller, path).ok_or_else(no_such_upload)?;
        // A file of a message is not an upload, and must not be removed.
        let known = destination.caller.service().from("message_media").select("id");
        let known: Option<Known> = known.eq("id", id).fetch_optional().await?;
        if known.is_some() {
            return Err(no_such_upload());
        }
        let destination = Destination {
            session: Some(session),
            ..*destination
        };
        let storage = destination.app.supabase().storage();
        let stored = storage
            .download(BUCKET, path)
            .await
            .map_err(|error| match error {
                StorageError::NotFound => no_such_upload(),
                error => unavailable(&error),
            })?;

        // The file itself shows its type and size: the client's claims do not count.
        let mut bytes = Box::pin(stored.bytes_stream());
        let mut start = Vec::new();
        while start.len() < sniff::ENOUGH {
            match bytes.next().await {
                Some(Ok(chunk)) => start.extend_from_slice(&chunk),
                Some(Err(_)) => {
                    return Err(ApiError::unavailable("the download of a stored file was cut off"));
                }
                None => break,
            }
        }
        let format = match sniff(&start, &self.file_name) {
            Some(format) if destination.as_document => sniff::as_document(format),
            Some(format) => format,
            None => {
                destination.discard(path).await;
                return Err(wrong_type());
            }
        };
        let whole = futures_util::stream::iter([Ok(start.into())]).chain(bytes);
        let (whole, meter) = metered(whole, format.max_bytes);
        let place = destination.place(Some(format), &self.file_name).await?;
        // The file is copied to a new place with its recognised type: the client chose the type with which the first
        // copy is served, and its upload address may still be valid.
        let object = NewObject {
            bucket: BUCKET,
            path: &place.storage_path,
            content_type: format.mime_type,
            length: None,
        };
        let kept = storage.upload(&object, Body::wrap_stream(whole)).await;
        if meter.exceeded() {
            destination.discard(&place.storage_path).await;
            destination.discard(path).await;
            return Err(too_large(format.max_bytes));
        }
        if let Err(error) = kept {
            destination.discard(&place.storage_path).await;
            return Err(unavailable(&error));
        }
        let file = destination.finish(format, &place, &meter).await?;
        destination.discard(path).await;
        Ok(file)
    }
}

/// The number and the id of an upload of the caller's organisation, from its path.
fn own_path(caller: &Caller, path: &str) -> Option<(Uuid, Uuid)> {
    let mut parts = path.split('/').map(|part| part.parse::<Uuid>().ok());
    let (tenant, session, id) = (parts.next()??, parts.next()??, parts.next()??);
    (parts.next().is_none() && tenant == caller.access.tenant.id).then_some((session, id))
}

fn no_such_upload() -> ApiError {
    ApiError::field(
        "storage_path",
        Text::new("there is no such upload", "unggahan ini tidak ada"),
    )
}
