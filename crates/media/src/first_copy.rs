//! The first copy of a large file, which the client uploaded to a signed address.
//!
//! A file is copied from there to its final place with its recognised type: the client chose the type with which the first
//! copy is served, and its upload address may still be valid.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use reqwest::Body;
use supabase::{NewObject, StorageError};
use whatsapp::client::limits::Format;

use super::BUCKET;
use super::file::unavailable;
use super::form::too_large;
use super::metered::{Meter, metered};
use super::sniff::{self, sniff};
use crm_core::app::App;
use crm_core::error::ApiError;
use crm_core::text::Text;

/// A first copy that is being read.
pub(super) struct FirstCopy<'a> {
    app: &'a App,
    /// The type that its first bytes show; the client's claims do not count. None if WhatsApp does not accept it.
    pub(super) format: Option<Format>,
    start: Vec<u8>,
    rest: Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>,
}

impl<'a> FirstCopy<'a> {
    /// Opens the file at a path of the private bucket.
    pub(super) async fn open(app: &'a App, path: &str, file_name: &str) -> Result<Self, ApiError> {
        let stored = app.supabase().storage().download(BUCKET, path).await;
        let stored = stored.map_err(|error| match error {
            StorageError::NotFound => no_such_upload(),
            error => unavailable(&error),
        })?;
        let mut rest = Box::pin(stored.bytes_stream());
        let mut start = Vec::new();
        while start.len() < sniff::ENOUGH {
            match rest.next().await {
                Some(Ok(chunk)) => start.extend_from_slice(&chunk),
                Some(Err(_)) => {
                    return Err(ApiError::unavailable("the download of a stored file was cut off"));
                }
                None => break,
            }
        }
        Ok(Self {
            app,
            format: sniff(&start, file_name),
            start,
            rest,
        })
    }

    /// Copies the file to its final place. If that fails, whatever arrived there has to be discarded.
    pub(super) async fn copy(self, format: Format, bucket: &str, path: &str) -> Result<Meter, ApiError> {
        let whole = stream::iter([Ok(self.start.into())]).chain(self.rest);
        let (whole, meter) = metered(whole, format.max_bytes);
        let object = NewObject {
            bucket,
            path,
            content_type: format.mime_type,
            length: None,
        };
        let kept = self
            .app
            .supabase()
            .storage()
            .upload(&object, Body::wrap_stream(whole))
            .await;
        if meter.exceeded() {
            return Err(too_large(format.max_bytes));
        }
        kept.map_err(|error| unavailable(&error))?;
        Ok(meter)
    }
}

pub(super) fn no_such_upload() -> ApiError {
    ApiError::field(
        "storage_path",
        Text::new("there is no such upload", "unggahan ini tidak ada"),
    )
}
