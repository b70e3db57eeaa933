//! Uploaded media files, checked by type and size and kept in memory.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use parking_lot::RwLock;
use serde_json::{Value, json};

use super::Simulator;
use super::graph::{Call, check_token};
use super::graph_error::GraphError;
use super::webhooks::signed_json::hex;

#[derive(Debug)]
struct Medium {
    mime_type: String,
    sha256: String,
    bytes: Bytes,
}

/// All uploads of this run.
#[derive(Debug, Default)]
pub(crate) struct MediaStore {
    media: RwLock<HashMap<String, Arc<Medium>>>,
}

impl MediaStore {
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.media.read().contains_key(id)
    }
}

const MEGABYTE: usize = 1_024 * 1_024;

/// The largest size of a file type, in bytes; `None` for types that Meta refuses.
fn limit_of(mime_type: &str) -> Option<usize> {
    let plain = mime_type.split(';').next().unwrap_or_default().trim();
    Some(match plain {
        "audio/aac" | "audio/amr" | "audio/mpeg" | "audio/mp4" | "audio/ogg" => 16 * MEGABYTE,
        "image/jpeg" | "image/png" => 5 * MEGABYTE,
        "video/mp4" | "video/3gpp" => 16 * MEGABYTE,
        "image/webp" => 500 * 1_024,
        "text/plain" | "application/pdf" => 100 * MEGABYTE,
        other if other.starts_with("application/vnd.") || other == "application/msword" => 100 * MEGABYTE,
        _ => return None,
    })
}

/// `POST /{PNID}/media`.
pub(crate) async fn upload(simulator: &Simulator, call: Call) -> Result<Value, GraphError> {
    if simulator.accounts.number(&call.node).is_none() {
        return Err(call.no_such_object());
    }
    let mut form = call.multipart().await?;
    let (mut product, mut mime_type, mut file) = (None, None, None);
    let broken = |_| GraphError::invalid_parameter("The multipart body could not be read");
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            "messaging_product" => product = Some(field.text().await.map_err(broken)?),
            "type" => mime_type = Some(field.text().await.map_err(broken)?),
            "file" => {
                let own_type = field.content_type().map(str::to_owned);
                file = Some((own_type, field.bytes().await.map_err(broken)?));
            }
            _ => {}
        }
    }
    if product.as_deref() != Some("whatsapp") {
        return Err(GraphError::invalid_parameter(
            "The parameter messaging_product is required.",
        ));
    }
    let Some((own_type, bytes)) = file else {
        return Err(GraphError::invalid_parameter("The parameter file is required."));
    };
    let Some(mime_type) = mime_type.or(own_type) else {
        return Err(GraphError::invalid_parameter("The parameter type is required."));
    };
    match limit_of(&mime_type) {
        None => {
            return Err(GraphError::with_details(
                131_053,
                format!("Media type {mime_type} is not supported"),
            ));
        }
        Some(limit) if bytes.len() > limit => {
            return Err(GraphError::with_details(
                131_053,
                format!("A {mime_type} file has at most {limit} bytes"),
            ));
        }
        Some(_) => {}
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let medium = Medium {
        mime_type,
        sha256: hex(digest.as_ref()),
        bytes,
    };
    let id = simulator.accounts.new_id();
    simulator.media.media.write().insert(id.clone(), Arc::new(medium));
    Ok(json!({"id": id}))
}

/// `GET /{MEDIA_ID}`.
pub(crate) fn show(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    let medium = simulator
        .media
        .media
        .read()
        .get(&call.node)
        .cloned()
        .ok_or_else(|| call.no_such_object())?;
    let host = call
        .request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("127.0.0.1");
    Ok(json!({
        "messaging_product": "whatsapp",
        "url": format!("http://{host}/_media/{}", call.node),
        "mime_type": medium.mime_type,
        "sha256": medium.sha256,
        "file_size": medium.bytes.len(),
        "id": call.node,
    }))
}

/// `DELETE /{MEDIA_ID}`.
pub(crate) fn delete(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    let removed = simulator.media.media.write().remove(&call.node);
    removed
        .map(|_| json!({"success": true}))
        .ok_or_else(|| call.no_such_object())
}

/// The handler of a media file's `url`. A token and a user agent are required.
pub(crate) async fn download(
    State(simulator): State<Arc<Simulator>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = check_token(&simulator, &headers) {
        return refusal.into_response();
    }
    if !headers.contains_key(header::USER_AGENT) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match simulator.media.media.read().get(&id).cloned() {
        Some(medium) => (
            [(header::CONTENT_TYPE, medium.mime_type.clone())],
            medium.bytes.clone(),
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
