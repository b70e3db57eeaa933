//! How a file is published: received or copied into the public bucket with its recognised type, then recorded.

use axum::Json;
use axum::extract::multipart::Field;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::client::limits::{Format, MediaKind};

use super::file::{PublishedFile, Row};
use crate::BUCKET;
use crate::direct::UploadAddress;
use crate::file::unavailable;
use crate::first_copy::{FirstCopy, no_such_upload};
use crate::form::{read_rest, read_start, store, wrong_type};
use crate::metered::{Meter, hex};
use crate::sniff::sniff;
use crm_core::app::App;
use crm_core::caller::Caller;
use crm_core::error::ApiError;
use crm_core::json_body::created;
use crm_core::public_media;

/// Asks for an address to upload a file to. With `storage_path`, reports that the file has been uploaded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DirectPublication {
    #[schema(max_length = 1000, example = "katalog.pdf")]
    file_name: String,
    /// The path from the previous answer.
    storage_path: Option<String>,
}

/// The place of a file in the public bucket.
#[derive(Deserialize)]
struct Place {
    id: Uuid,
    storage_path: String,
    file_name: String,
}

/// A file that is stored and not recorded yet.
pub(super) struct Received {
    format: Format,
    place: Place,
    meter: Meter,
}

/// A publication of this caller.
pub(super) struct Publication<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
}

impl Publication<'_> {
    /// Streams a file into the public bucket, once its first bytes have shown its format.
    pub(super) async fn receive(&self, mut field: Field<'_>) -> Result<Received, ApiError> {
        let name = field.file_name().unwrap_or_default().to_owned();
        let start = read_start(&mut field).await?;
        let Some(format) = sniff(&start, &name).filter(is_publishable) else {
            read_rest(&mut field).await?;
            return Err(wrong_type());
        };
        let place = match self.place(format, &name).await {
            Ok(place) => place,
            Err(error) => {
                read_rest(&mut field).await?;
                return Err(error);
            }
        };
        let stored = store(
            self.app,
            field,
            start,
            format,
            public_media::BUCKET,
            &place.storage_path,
        )
        .await;
        self.received(format, place, stored).await
    }

    /// Answers a direct upload: with its address, or with the file once it has been uploaded.
    pub(super) async fn directly(&self, upload: &DirectPublication) -> Result<Response, ApiError> {
        let Some(path) = &upload.storage_path else {
            let storage_path: String = self
                .caller
                .database()
                .rpc("place_direct_publication", &json!({}))
                .await?;
            let storage = self.app.supabase().storage();
            let signed = storage.sign_upload(BUCKET, &storage_path).await;
            let address = UploadAddress {
                upload_url: signed.map_err(|error| unavailable(&error))?,
                storage_path,
            };
            return Ok((StatusCode::OK, Json(address)).into_response());
        };
        if !is_own(self.caller, path) {
            return Err(no_such_upload());
        }
        let first_copy = FirstCopy::open(self.app, path, &upload.file_name).await?;
        let format = first_copy.format.filter(is_publishable).ok_or_else(wrong_type)?;
        let place = self.place(format, &upload.file_name).await?;
        let copied = first_copy
            .copy(format, public_media::BUCKET, &place.storage_path)
            .await;
        let received = self.received(format, place, copied).await?;
        let file = self.finish(received).await?;
        Ok(created(file).into_response())
    }

    /// Records a stored file, or removes it.
    pub(super) async fn finish(&self, received: Received) -> Result<PublishedFile, ApiError> {
        let Received { format, place, meter } = &received;
        let file = json!({ "file": {
            "id": place.id,
            "kind": format.kind.as_str(),
            "mime_type": format.mime_type,
            "file_size": meter.count(),
            "sha256": hex(&meter.hash()),
            "file_name": place.file_name,
            "storage_path": place.storage_path,
        }});
        let recorded: Result<Row, _> = self.caller.database().rpc("publish_file", &file).await;
        match recorded {
            Ok(row) => row.shown(self.app),
            Err(error) => {
                self.discard(&received).await;
                Err(error)
            }
        }
    }

    /// Removes a stored file. If that fails, housekeeping removes it, because it was never recorded.
    pub(super) async fn discard(&self, received: &Received) {
        self.discard_place(&received.place).await;
    }

    async fn received(
        &self,
        format: Format,
        place: Place,
        stored: Result<Meter, ApiError>,
    ) -> Result<Received, ApiError> {
        match stored {
            Ok(meter) => Ok(Received { format, place, meter }),
            Err(error) => {
                self.discard_place(&place).await;
                Err(error)
            }
        }
    }

    async fn discard_place(&self, place: &Place) {
        let storage = self.app.supabase().storage();
        let removed = storage.remove(public_media::BUCKET, &[&place.storage_path]).await;
        if let Err(error) = removed {
            log::warn!("publication {}: not removed yet: {error}", place.id);
        }
    }

    async fn place(&self, format: Format, name: &str) -> Result<Place, ApiError> {
        let name: String = name
            .chars()
            .filter(|character| *character != '\0')
            .take(1000)
            .collect();
        let arguments =
            json!({ "kind": format.kind.as_str(), "mime_type": format.mime_type, "file_name": name });
        self.caller
            .database()
            .rpc("place_published_file", &arguments)
            .await
    }
}

/// Stickers have no place in templates and quick replies.
fn is_publishable(format: &Format) -> bool {
    format.kind != MediaKind::Sticker
}

/// Whether the path is the place of a direct publication of the caller's organisation.
fn is_own(caller: &Caller, path: &str) -> bool {
    let mut parts = path.split('/');
    let tenant = parts.next().and_then(|part| part.parse::<Uuid>().ok());
    let published = parts.next() == Some("published");
    let id = parts.next().and_then(|part| part.parse::<Uuid>().ok());
    tenant == Some(caller.access.tenant.id) && published && id.is_some() && parts.next().is_none()
}
