//! `POST /api/whatsapp/media`: a file to be sent, into Storage as it comes, and from there to Meta.

use std::io;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use reqwest::Body;
use serde::Deserialize;
use serde_json::json;
use supabase::NewObject;
use tokio::sync::mpsc;
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::client::limits::{Format, LARGEST_FILE, MediaKind};
use whatsapp::client::{FileToUpload, SendError};

use super::BUCKET;
use super::file::{MediaFile, unavailable};
use super::metered::{Meter, hex, metered};
use super::sniff::{self, sniff};
use crate::app::App;
use crate::caller::{Caller, Permitted};
use crate::error::{ApiError, ErrorBody};
use crate::json_body::created;
use crate::permissions::MediaUpload;
use crate::sessions::NumberAccess;
use crate::text::Text;

/// The largest file and the form around it.
const MAX_BODY: usize = LARGEST_FILE as usize + 64 * 1024;
/// Chunks between the client and Storage: what is held of a file at any time.
const CHUNKS: usize = 4;

/// A form with the file last.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form")]
pub(crate) struct UploadForm {
    /// The number it is for; by default the first that is connected. Meta keeps files per number.
    session_id: Option<Uuid>,
    /// `document` to send a photo or film as a file.
    #[schema(rename = "type")]
    kind: Option<String>,
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Where an upload goes.
#[derive(Deserialize)]
struct Place {
    id: Uuid,
    tenant_id: Uuid,
    session_id: Uuid,
    phone_number_id: String,
    storage_path: String,
    file_name: String,
    uploaded_by: Uuid,
}

/// `/api/whatsapp/media`.
pub fn router() -> Router<App> {
    Router::new()
        .route("/api/whatsapp/media", post(upload_file))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Uploads a file. Its type is told by its bytes and its size checked against Meta's limit for it. Send the answer's
/// `id` as `image.id`, `document.id` and so on, within 30 days.
#[utoipa::path(
    post, path = "/api/whatsapp/media", tag = "whatsapp", security(("bearer" = [])),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, body = MediaFile), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 409, description = "`number_unavailable`", body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 503, description = "Meta or Storage is away", body = ErrorBody),
    )
)]
pub(crate) async fn upload_file(
    State(app): State<App>,
    permitted: Permitted<MediaUpload>,
    mut form: Multipart,
) -> Result<(StatusCode, Json<MediaFile>), ApiError> {
    let (mut session, mut as_document) = (None, false);
    while let Some(field) = form.next_field().await.map_err(|error| broken_form(&error))? {
        match field.name().unwrap_or_default() {
            "session_id" => session = Some(session_id(field).await?),
            "type" => as_document = is_document(field).await?,
            "file" => {
                let upload = Upload {
                    app: &app,
                    caller: &permitted.caller,
                    session,
                    as_document,
                };
                return upload.take(field).await.map(created);
            }
            _ => {}
        }
    }
    Err(ApiError::field("file", Text::new("is required", "wajib diisi")))
}

async fn short_text(mut field: Field<'_>, name: &'static str) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| broken_form(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > 100 {
            break;
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| text.len() <= 100)
        .ok_or_else(|| ApiError::field(name, Text::new("is not known", "tidak dikenal")))
}

async fn session_id(field: Field<'_>) -> Result<Uuid, ApiError> {
    let text = short_text(field, "session_id").await?;
    text.trim()
        .parse()
        .map_err(|_| ApiError::field("session_id", Text::new("is not known", "tidak dikenal")))
}

async fn is_document(field: Field<'_>) -> Result<bool, ApiError> {
    let kind = short_text(field, "type").await?;
    match MediaKind::named(kind.trim()) {
        Some(kind) => Ok(kind == MediaKind::Document),
        None => Err(ApiError::field(
            "type",
            Text::new("is not known", "tidak dikenal"),
        )),
    }
}

fn broken_form(error: &MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::too_large();
    }
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "invalid_form",
        Text::new(
            "The form could not be read. Send it as multipart/form-data.",
            "Formulir tidak dapat dibaca. Kirim sebagai multipart/form-data.",
        ),
    )
}

struct Upload<'a> {
    app: &'a App,
    caller: &'a Caller,
    session: Option<Uuid>,
    as_document: bool,
}

impl Upload<'_> {
    async fn take(&self, mut field: Field<'_>) -> Result<MediaFile, ApiError> {
        let name = field.file_name().unwrap_or_default().to_owned();
        let start = read_start(&mut field).await?;
        let format = sniff(&start, &name).ok_or_else(wrong_type)?;
        let format = if self.as_document {
            sniff::as_document(format)
        } else {
            format
        };
        let arguments = json!({
            "session_id": self.session,
            "kind": format.kind.as_str(),
            "mime_type": format.mime_type,
            "file_name": name.chars().take(1000).filter(|character| *character != '\0').collect::<String>(),
        });
        let place: Place = self.caller.database().rpc("begin_upload", &arguments).await?;

        let stored = self.store(field, start, format, &place).await;
        let meter = match stored {
            Ok(meter) => meter,
            Err(error) => {
                self.discard(&place).await;
                return Err(error);
            }
        };
        let sent = self.hand_over(format, &place, meter.count()).await;
        let meta_media_id = match sent {
            Ok(id) => id,
            Err(error) => {
                self.discard(&place).await;
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

    /// From the client into Storage.
    async fn store(
        &self,
        field: Field<'_>,
        start: Bytes,
        format: Format,
        place: &Place,
    ) -> Result<Meter, ApiError> {
        let (chunks, coming) = mpsc::channel(CHUNKS);
        let (bytes, meter) = metered(received(start, coming), format.max_bytes);
        let object = NewObject {
            bucket: BUCKET,
            path: &place.storage_path,
            content_type: format.mime_type,
            length: None,
        };
        let storage = self.app.supabase().storage();
        let (pumped, stored) = tokio::join!(
            pump(field, chunks),
            storage.upload(&object, Body::wrap_stream(bytes))
        );
        if meter.exceeded() {
            return Err(too_large(format.max_bytes));
        }
        pumped?;
        stored.map_err(|error| unavailable(&error))?;
        Ok(meter)
    }

    /// From Storage to Meta, which wants to know the length beforehand.
    async fn hand_over(&self, format: Format, place: &Place, size: u64) -> Result<String, ApiError> {
        let access = NumberAccess::of(self.app, place.session_id)
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
        let media = self.app.graph().media(&access.token);
        media
            .upload(&place.phone_number_id, file, stored.bytes_stream())
            .await
            .map_err(|error| match &error {
                SendError::Rejected { error } => {
                    ApiError::field("file", crate::sessions::meta_sentence(error))
                }
                error => ApiError::unavailable(error.to_string()),
            })
    }

    async fn discard(&self, place: &Place) {
        let removed = self
            .app
            .supabase()
            .storage()
            .remove(BUCKET, &[&place.storage_path])
            .await;
        if let Err(error) = removed {
            log::warn!("upload {}: not removed: {error}", place.id);
        }
    }
}

/// As much of a file as it takes to tell what it is.
async fn read_start(field: &mut Field<'_>) -> Result<Bytes, ApiError> {
    let mut start = BytesMut::new();
    while start.len() < sniff::ENOUGH {
        match field.chunk().await.map_err(|error| broken_form(&error))? {
            Some(chunk) => start.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok(start.freeze())
}

async fn pump(mut field: Field<'_>, chunks: mpsc::Sender<io::Result<Bytes>>) -> Result<(), ApiError> {
    loop {
        match field.chunk().await {
            Ok(Some(chunk)) => {
                // Storage has stopped listening: it says why.
                if chunks.send(Ok(chunk)).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                // Ends the upload, which would otherwise look complete.
                drop(chunks.send(Err(io::ErrorKind::UnexpectedEof.into())).await);
                return Err(broken_form(&error));
            }
        }
    }
}

fn received(
    start: Bytes,
    coming: mpsc::Receiver<io::Result<Bytes>>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let rest = stream::unfold(coming, |mut coming| async move {
        coming.recv().await.map(|chunk| (chunk, coming))
    });
    stream::iter([Ok(start)]).chain(rest)
}

fn wrong_type() -> ApiError {
    ApiError::field(
        "file",
        Text::new(
            "is of a type that WhatsApp does not take",
            "jenisnya tidak diterima WhatsApp",
        ),
    )
}

fn too_large(limit: u64) -> ApiError {
    let size = if limit >= 1024 * 1024 {
        format!("{} MB", limit / 1024 / 1024)
    } else {
        format!("{} KB", limit / 1024)
    };
    ApiError::field(
        "file",
        Text::new(
            format!("must not exceed {size} for its type"),
            format!("tidak boleh lebih dari {size} untuk jenisnya"),
        ),
    )
}
