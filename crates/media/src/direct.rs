//! Uploads of large files. The platform accepts requests of a few megabytes only, so the client uploads the file
//! directly into Storage, to a signed address, and then names its path.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::BUCKET;
use super::file::unavailable;
use super::first_copy::{FirstCopy, no_such_upload};
use super::form::wrong_type;
use super::sniff;
use super::upload::Destination;
use crm_core::app::App;
use crm_core::caller::Caller;
use crm_core::error::ApiError;
use crm_core::json_body::created;

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

/// The address to upload a file to, by `PUT` within two hours. A file that no further request names within three hours is
/// removed.
#[derive(Serialize, ToSchema)]
pub(crate) struct UploadAddress {
    #[schema(
        format = "uri",
        example = "https://project.supabase.co/storage/v1/object/upload/sign/chat-media/katalog.pdf?token=..."
    )]
    pub(super) upload_url: String,
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10/katalog.pdf")]
    pub(super) storage_path: String,
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
        let first_copy = FirstCopy::open(destination.app, path, &self.file_name).await?;
        let format = match first_copy.format {
            Some(format) if destination.as_document => sniff::as_document(format),
            Some(format) => format,
            None => {
                destination.discard(path).await;
                return Err(wrong_type());
            }
        };
        let place = destination.place(Some(format), &self.file_name).await?;
        let meter = match first_copy.copy(format, BUCKET, &place.storage_path).await {
            Ok(meter) => meter,
            Err(error) => {
                destination.discard(&place.storage_path).await;
                return Err(error);
            }
        };
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
