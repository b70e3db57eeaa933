//! Forms with a file: read while they arrive, and streamed into Storage.

use std::io;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{Multipart, Request};
use axum::http::{StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use reqwest::Body;
use supabase::NewObject;
use tokio::sync::mpsc;
use whatsapp::client::limits::{Format, LARGEST_FILE};

use super::file::unavailable;
use super::metered::{Meter, metered};
use super::sniff;
use crm_core::app::App;
use crm_core::error::ApiError;
use crm_core::text::Text;

/// The size of the largest file and of the form around it.
pub(super) const MAX_BODY: usize = LARGEST_FILE as usize + 64 * 1024;
const JSON: &[u8] = b"application/json";
/// The number of chunks between client and Storage, which bounds the memory for a file.
const CHUNKS: usize = 4;

/// Whether the request has a JSON body, which begins or ends a direct upload.
pub(super) fn is_json(request: &Request) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.as_bytes().get(..JSON.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(JSON))
}

/// Refuses these fields after the file, because the file is already being stored when they arrive.
pub(super) async fn nothing_follows(form: &mut Multipart, fields: &[&'static str]) -> Result<(), ApiError> {
    while let Some(field) = form.next_field().await.map_err(|error| broken_form(&error))? {
        let given = field.name().unwrap_or_default();
        if let Some(name) = fields.iter().find(|name| **name == given) {
            return Err(ApiError::field(
                *name,
                Text::new(
                    "must come before the file, which is the last of the form and the only one",
                    "harus berada sebelum berkas, yang terakhir dalam formulir dan hanya satu",
                ),
            ));
        }
    }
    Ok(())
}

/// The text of a short field of a form.
pub(super) async fn short_text(mut field: Field<'_>, name: &'static str) -> Result<String, ApiError> {
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
        .ok_or_else(|| ApiError::unknown(name))
}

/// The error for a form that breaks off or is too large.
pub(super) fn broken_form(error: &MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::too_large();
    }
    invalid_form()
}

/// The error for what is no form.
pub(super) fn invalid_form() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "invalid_form",
        Text::new(
            "The form could not be read. Send it as multipart/form-data.",
            "Formulir tidak dapat dibaca. Kirim sebagai multipart/form-data.",
        ),
    )
}

/// Streams a file from the client into Storage, with the type that its bytes have shown.
pub(super) async fn store(
    app: &App,
    field: Field<'_>,
    start: Bytes,
    format: Format,
    bucket: &str,
    path: &str,
) -> Result<Meter, ApiError> {
    let (chunks, coming) = mpsc::channel(CHUNKS);
    let (bytes, meter) = metered(received(start, coming), format.max_bytes);
    let object = NewObject {
        bucket,
        path,
        content_type: format.mime_type,
        length: None,
    };
    let storage = app.supabase().storage();
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

/// Reads enough of a file to recognise its format.
pub(super) async fn read_start(field: &mut Field<'_>) -> Result<Bytes, ApiError> {
    let mut start = BytesMut::new();
    while start.len() < sniff::ENOUGH {
        match field.chunk().await.map_err(|error| broken_form(&error))? {
            Some(chunk) => start.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok(start.freeze())
}

/// Reads the rest of a refused file, because the client may still be sending.
pub(super) async fn read_rest(field: &mut Field<'_>) -> Result<(), ApiError> {
    while field
        .chunk()
        .await
        .map_err(|error| broken_form(&error))?
        .is_some()
    {}
    Ok(())
}

async fn pump(mut field: Field<'_>, chunks: mpsc::Sender<io::Result<Bytes>>) -> Result<(), ApiError> {
    loop {
        match field.chunk().await {
            Ok(Some(chunk)) => {
                // If Storage has stopped reading, the rest is read all the same: a client that is still sending would
                // take an early answer for a broken connection.
                drop(chunks.send(Ok(chunk)).await);
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                // Makes the upload fail, which would otherwise look complete.
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

/// The error for a file of no type that WhatsApp accepts.
pub(super) fn wrong_type() -> ApiError {
    ApiError::field(
        "file",
        Text::new(
            "has a type that WhatsApp does not accept",
            "jenisnya tidak diterima WhatsApp",
        ),
    )
}

/// The error for a file beyond the limit of its type, in bytes.
pub(super) fn too_large(limit: u64) -> ApiError {
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
