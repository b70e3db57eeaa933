//! Media files at Meta. Meta keeps uploads for 30 days and files from customers for 7.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, StatusCode, Url};
use serde::{Deserialize, Deserializer};

use super::multipart::Form;
use super::send_error::SendError;
use super::{GraphClient, SystemToken, authorized};

/// The time limit of a transfer. It is longer than that of a call, because files are larger than messages.
const TRANSFER_TIME_LIMIT: Duration = Duration::from_secs(120);
/// The hosts where Meta keeps media files. No other host receives the token.
const MEDIA_HOSTS: [&str; 2] = ["fbsbx.com", "fbcdn.net"];

/// A client for the media files of a number, with the number's token.
#[derive(Debug, Clone, Copy)]
pub struct MediaClient<'a> {
    graph: &'a GraphClient,
    token: &'a SystemToken,
}

/// The description of a file to upload.
#[derive(Debug, Clone, Copy)]
pub struct FileToUpload<'a> {
    /// The MIME type.
    pub mime_type: &'a str,
    /// The file name.
    pub file_name: &'a str,
    /// The number of bytes that follow.
    pub size: u64,
}

/// Meta's description of a stored file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StoredMedia {
    /// The address of the file, valid for five minutes.
    pub url: String,
    /// The MIME type.
    #[serde(default)]
    pub mime_type: Option<String>,
    /// The SHA-256 hash, in hex or base64.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The number of bytes.
    #[serde(default, deserialize_with = "number_or_text")]
    pub file_size: Option<u64>,
}

/// The reason why a file cannot be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The address is not on one of Meta's hosts, or redirects to another host. The token is not sent there.
    #[error("the file's address is not one of Meta's")]
    UntrustedAddress,
    /// Meta has deleted the file, or its address has expired.
    #[error("Meta does not keep this file any more")]
    Gone,
    /// The call failed for another reason.
    #[error(transparent)]
    Call(#[from] SendError),
}

/// A download in progress.
#[derive(Debug)]
pub struct Download {
    response: reqwest::Response,
}

impl Download {
    /// The number of bytes, if the server states it.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The bytes as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, reqwest::Error>> + Send + 'static {
        self.response.bytes_stream()
    }
}

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Number(u64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Option::<Size>::deserialize(deserializer)? {
        Some(Size::Number(size)) => Some(size),
        Some(Size::Text(size)) => size.parse().ok(),
        Some(Size::Other(_)) | None => None,
    })
}

impl<'a> MediaClient<'a> {
    pub(super) fn new(graph: &'a GraphClient, token: &'a SystemToken) -> Self {
        Self { graph, token }
    }

    /// Streams a file to Meta and returns Meta's id of it.
    pub async fn upload<E>(
        &self,
        phone_number_id: &str,
        file: FileToUpload<'_>,
        bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<String, SendError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        #[derive(Deserialize)]
        struct Uploaded {
            id: String,
        }
        let form = Form::new(file.mime_type, file.file_name);
        let request = self
            .graph
            .http
            .post(self.graph.url(&[phone_number_id, "media"]))
            .timeout(TRANSFER_TIME_LIMIT)
            .header(CONTENT_TYPE, Form::content_type())
            .header(CONTENT_LENGTH, form.length(file.size))
            .body(Body::wrap_stream(form.wrap(bytes)));
        let uploaded: Uploaded = self.graph.read(self.token, request).await?;
        Ok(uploaded.id)
    }

    /// Fetches the address and the description of a file.
    pub async fn info(&self, id: &str, phone_number_id: &str) -> Result<StoredMedia, MediaError> {
        let mut url = self.graph.url(&[id]);
        url.query_pairs_mut()
            .append_pair("phone_number_id", phone_number_id);
        match self.graph.read(self.token, self.graph.http.get(url)).await {
            Ok(stored) => Ok(stored),
            Err(SendError::Rejected { error }) if matches!(error.code, 33 | 100) || error.status == 404 => {
                Err(MediaError::Gone)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Downloads a file from the address in [`MediaClient::info`]'s answer. Only Meta's hosts receive the
    /// token, and redirects are not followed.
    pub async fn download(&self, stored: &StoredMedia) -> Result<Download, MediaError> {
        let url = Url::parse(&stored.url).map_err(|_| MediaError::UntrustedAddress)?;
        if !self.graph.keeps_media_at(&url) {
            return Err(MediaError::UntrustedAddress);
        }
        let request = self.graph.http.get(url).timeout(TRANSFER_TIME_LIMIT);
        let response = authorized(self.token, request)
            .send()
            .await
            .map_err(|error| SendError::without_answer(&error))?;
        match response.status() {
            StatusCode::OK => Ok(Download { response }),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(MediaError::Gone),
            status if status.is_redirection() => Err(MediaError::UntrustedAddress),
            status => Err(SendError::from_answer(status, &[], None).into()),
        }
    }

    /// Deletes a file at Meta.
    pub async fn delete(&self, id: &str) -> Result<(), SendError> {
        let request = self.graph.http.delete(self.graph.url(&[id]));
        self.graph.call(self.token, request).await.map(drop)
    }
}

impl GraphClient {
    /// Whether the token may be sent to this address: to Meta's media hosts, or to the host of the API itself
    /// (a simulator serves its files there).
    fn keeps_media_at(&self, url: &Url) -> bool {
        if url.origin() == self.base.origin() {
            return true;
        }
        let host = url.host_str().unwrap_or_default();
        url.scheme() == "https"
            && url.port().is_none()
            && MEDIA_HOSTS.iter().any(|known| {
                host.strip_suffix(known)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphVersion;

    #[test]
    fn the_token_goes_to_metas_hosts_only() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        let graph = GraphClient::new(http, "http://127.0.0.1:4000/x", GraphVersion::DEFAULT).unwrap();
        for (address, trusted) in [
            ("https://lookaside.fbsbx.com/whatsapp/1", true),
            ("https://scontent.xx.fbcdn.net/v/1", true),
            ("https://fbsbx.com/1", true),
            ("http://127.0.0.1:4000/_media/1", true),
            ("http://lookaside.fbsbx.com/1", false),
            ("https://lookaside.fbsbx.com:8443/1", false),
            ("https://evilfbsbx.com/1", false),
            ("https://fbsbx.com.evil.test/1", false),
            ("https://evil.test/fbsbx.com", false),
            ("https://user@evil.test/.fbsbx.com", false),
            ("http://127.0.0.1:4001/_media/1", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(
                graph.keeps_media_at(&Url::parse(address).unwrap()),
                trusted,
                "{address}"
            );
        }
    }

    #[test]
    fn sizes_come_as_numbers_and_as_texts() {
        for (json, size) in [
            (r#"{"url":"x","file_size":7}"#, Some(7)),
            (r#"{"url":"x","file_size":"7"}"#, Some(7)),
            (r#"{"url":"x","file_size":null}"#, None),
            (r#"{"url":"x"}"#, None),
        ] {
            let stored: StoredMedia = serde_json::from_str(json).unwrap();
            assert_eq!(stored.file_size, size, "{json}");
        }
    }
}
