//! `POST /api/whatsapp/media`: uploads a file, which streams into Storage and from there to Meta.

use axum::extract::multipart::Field;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::client::limits::{Format, MediaKind};
use whatsapp::client::{FileToUpload, SendError};

use super::BUCKET;
use super::direct::{DirectUpload, UploadAddress};
use super::file::{MediaFile, unavailable};
use super::form::{
    MAX_BODY, broken_form, invalid_form, is_json, nothing_follows, read_rest, read_start, short_text, store,
    wrong_type,
};
use super::metered::{Meter, hex};
use super::sniff::{self, sniff};
use crm_core::app::App;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::MediaUpload;
use crm_core::routes;
use sending::number_token;

/// A form with the file as its last part.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form")]
pub(crate) struct UploadForm {
    /// The number to send the file from; the first connected one if left out. Meta keeps files per number.
    session_id: Option<Uuid>,
    /// `document` sends a photo or film as a file.
    #[schema(rename = "type")]
    kind: Option<String>,
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// The place of an upload.
#[derive(Deserialize)]
pub(super) struct Place {
    pub(super) id: Uuid,
    pub(super) tenant_id: Uuid,
    pub(super) session_id: Uuid,
    pub(super) phone_number_id: String,
    pub(super) storage_path: String,
    pub(super) file_name: String,
    pub(super) uploaded_by: Uuid,
}

/// `/api/whatsapp/media`.
pub fn router() -> Routes {
    Routes::new()
        .routes(routes!(upload_file))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Upload a file to send.
///
/// The type is recognised from the bytes, and the size is checked against Meta's limit for that type. Send the `id` of
/// the answer as `image.id`, `document.id` and so on within 30 days.
///
/// Files larger than a request may be (4.5 MB on Vercel) are uploaded in three steps: ask for an address with a JSON
/// body, `PUT` the file to `upload_url`, then repeat the JSON body with `storage_path`.
#[utoipa::path(
    post, path = "/api/whatsapp/media", tag = "whatsapp",
    request_body(content(
        (UploadForm = "multipart/form-data"),
        (DirectUpload = "application/json"),
    )),
    responses(
        (status = 200, description = "The address asked for", body = UploadAddress),
        (status = 201, body = MediaFile),
        (status = 400, description = "invalid_form, invalid_json, unreadable_body"),
        (status = 404, description = "not_found"),
        (status = 409, description = "number_unavailable"),
        (status = 413, description = "payload_too_large"),
        (status = 422, description = "invalid_field"),
        (status = 503, description = "unavailable"),
    ),
)]
pub(crate) async fn upload_file(
    State(app): State<App>,
    permitted: Permitted<MediaUpload>,
    request: Request,
) -> Result<Response, ApiError> {
    if is_json(&request) {
        let JsonBody(upload) = JsonBody::<DirectUpload>::from_request(request, &app).await?;
        return upload.answer(&app, &permitted.caller).await;
    }
    let form = Multipart::from_request(request, &app).await;
    let mut form = form.map_err(|_| invalid_form())?;
    let (mut session, mut as_document) = (None, false);
    while let Some(field) = form.next_field().await.map_err(|error| broken_form(&error))? {
        match field.name().unwrap_or_default() {
            "session_id" => session = Some(session_id(field).await?),
            "type" => as_document = is_document(field).await?,
            "file" => {
                let destination = Destination {
                    app: &app,
                    caller: &permitted.caller,
                    session,
                    as_document,
                };
                let (format, place, meter) = destination.receive(field).await?;
                if let Err(error) = nothing_follows(&mut form, &["session_id", "type", "file"]).await {
                    destination.discard(&place.storage_path).await;
                    return Err(error);
                }
                let file = destination.finish(format, &place, &meter).await?;
                return Ok(created(file).into_response());
            }
            _ => {}
        }
    }
    Err(ApiError::required("file"))
}

async fn session_id(field: Field<'_>) -> Result<Uuid, ApiError> {
    let text = short_text(field, "session_id").await?;
    text.trim().parse().map_err(|_| ApiError::unknown("session_id"))
}

async fn is_document(field: Field<'_>) -> Result<bool, ApiError> {
    let kind = short_text(field, "type").await?;
    match MediaKind::named(kind.trim()) {
        Some(kind) => Ok(kind == MediaKind::Document),
        None => Err(ApiError::unknown("type")),
    }
}

/// The number and the kind of a caller's upload.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) session: Option<Uuid>,
    pub(super) as_document: bool,
}

impl Destination<'_> {
    /// Reserves a place for a file, if the caller may upload one.
    pub(super) async fn place(&self, format: Option<Format>, name: &str) -> Result<Place, ApiError> {
        let name: String = name
            .chars()
            .filter(|character| *character != '\0')
            .take(1000)
            .collect();
        let arguments = json!({
            "session_id": self.session,
            "kind": format.map_or("document", |format| format.kind.as_str()),
            "mime_type": format.map_or("application/octet-stream", |format| format.mime_type),
            "file_name": name,
        });
        self.caller.database().rpc("begin_upload", &arguments).await
    }

    /// Streams a file into Storage, once its first bytes have shown its format.
    async fn receive(&self, mut field: Field<'_>) -> Result<(Format, Place, Meter), ApiError> {
        let name = field.file_name().unwrap_or_default().to_owned();
        let start = read_start(&mut field).await?;
        let format = match sniff(&start, &name) {
            Some(format) if self.as_document => sniff::as_document(format),
            Some(format) => format,
            None => {
                read_rest(&mut field).await?;
                return Err(wrong_type());
            }
        };
        let place = match self.place(Some(format), &name).await {
            Ok(place) => place,
            Err(error) => {
                read_rest(&mut field).await?;
                return Err(error);
            }
        };
        let stored = store(self.app, field, start, format, BUCKET, &place.storage_path).await;
        match stored {
            Ok(meter) => Ok((format, place, meter)),
            Err(error) => {
                self.discard(&place.storage_path).await;
                Err(error)
            }
        }
    }

    /// Uploads a stored file to Meta and records it, or removes it.
    pub(super) async fn finish(
        &self,
        format: Format,
        place: &Place,
        meter: &Meter,
    ) -> Result<MediaFile, ApiError> {
        let meta_media_id = match self.hand_over(format, place, meter.count()).await {
            Ok(id) => id,
            Err(error) => {
                self.discard(&place.storage_path).await;
                return Err(error);
            }
        };
        let upload = json!({ "upload": {
            "id": place.id,
            "tenant_id": place.tenant_id,
            "session_id": place.session_id,
            "uploaded_by": place.uploaded_by,
            "meta_media_id": meta_media_id,
            "kind": format.kind.as_str(),
            "mime_type": format.mime_type,
            "sha256": hex(&meter.hash()),
            "file_size": meter.count(),
            "file_name": place.file_name,
            "storage_path": place.storage_path,
        }});
        Ok(self.caller.service().rpc("finish_upload", &upload).await?)
    }

    /// Streams from Storage to Meta, which needs to know the length first.
    async fn hand_over(&self, format: Format, place: &Place, size: u64) -> Result<String, ApiError> {
        let token = number_token(self.app, place.session_id)
            .await
            .map_err(|error| ApiError::unavailable(error.to_string()))?;
        let stored = self
            .app
            .supabase()
            .storage()
            .download(BUCKET, &place.storage_path)
            .await
            .map_err(|error| unavailable(&error))?;
        let file = FileToUpload {
            mime_type: format.mime_type,
            file_name: &place.file_name,
            size,
        };
        let media = self.app.graph().media(&token);
        media
            .upload(&place.phone_number_id, file, stored.bytes_stream())
            .await
            .map_err(|error| match &error {
                SendError::Rejected { error } => ApiError::field("file", sending::meta_sentence(error)),
                error => ApiError::unavailable(error.to_string()),
            })
    }

    pub(super) async fn discard(&self, path: &str) {
        let storage = self.app.supabase().storage();
        if let Err(error) = storage.remove(BUCKET, &[path]).await {
            log::warn!("upload {path}: not removed: {error}");
        }
    }
}
