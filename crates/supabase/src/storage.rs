//! Files in Storage, with the rights of the service key. Callers check beforehand who may see a file.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;

use crate::database_error::Source;
use crate::key::ApiKey;

const API_KEY: HeaderName = HeaderName::from_static("apikey");
const UPSERT: HeaderName = HeaderName::from_static("x-upsert");
/// Time limit of transfers, because files are larger than rows.
const TRANSFER_TIME_LIMIT: Duration = Duration::from_secs(120);

/// The project's files.
#[derive(Clone, Copy)]
pub struct Storage<'a> {
    http: &'a reqwest::Client,
    project: &'a Url,
    key: &'a ApiKey,
}

/// A file to be stored.
pub struct NewObject<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The path within the bucket.
    pub path: &'a str,
    /// The type with which the file is served.
    pub content_type: &'a str,
    /// The length, if it is known.
    pub length: Option<u64>,
}

/// The reason why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file does not exist.
    #[error("there is no such file")]
    NotFound,
    /// Storage refuses the call.
    #[error("Storage refused: {0}")]
    Refused(Source),
    /// Storage or the connection to it is down, or the file was cut off.
    #[error("Storage is not available: {0}")]
    Unavailable(Source),
}

impl<'a> Storage<'a> {
    pub(crate) fn new(http: &'a reqwest::Client, project: &'a Url, key: &'a ApiKey) -> Self {
        Self { http, project, key }
    }

    /// Stores a file, and replaces an earlier one.
    pub async fn upload(&self, object: &NewObject<'_>, bytes: impl Into<Body>) -> Result<(), StorageError> {
        let mut request = self
            .request(Method::POST, &["object", object.bucket], object.path)
            .timeout(TRANSFER_TIME_LIMIT)
            .header(CONTENT_TYPE, object.content_type)
            .header(UPSERT, HeaderValue::from_static("true"))
            .body(bytes);
        if let Some(length) = object.length {
            request = request.header(CONTENT_LENGTH, length);
        }
        accepted(request).await.map(drop)
    }

    /// Reads a file. Its bytes are in the `bytes_stream` of the answer.
    pub async fn download(&self, bucket: &str, path: &str) -> Result<Response, StorageError> {
        let request = self.request(Method::GET, &["object", bucket], path);
        accepted(request.timeout(TRANSFER_TIME_LIMIT)).await
    }

    /// An address that opens a file for everyone for some time. With `download_as` browsers save the file under that
    /// name instead of showing it.
    pub async fn sign(
        &self,
        bucket: &str,
        path: &str,
        lifetime: Duration,
        download_as: Option<&str>,
    ) -> Result<String, StorageError> {
        #[derive(Deserialize)]
        struct Signed {
            #[serde(rename = "signedURL")]
            signed_url: String,
        }
        let request = self
            .request(Method::POST, &["object", "sign", bucket], path)
            .json(&json!({ "expiresIn": lifetime.as_secs() }));
        let answer = accepted(request).await?;
        let unexpected =
            |_| StorageError::Refused(Source::new("the answer does not have the expected shape"));
        let signed: Signed = answer.json().await.map_err(|_| unexpected(()))?;
        let base = self.project.as_str().trim_end_matches('/');
        let mut url =
            Url::parse(&format!("{base}/storage/v1{}", signed.signed_url)).map_err(|_| unexpected(()))?;
        if let Some(name) = download_as {
            url.query_pairs_mut().append_pair("download", name);
        }
        Ok(url.into())
    }

    /// An address to which a file can be uploaded at this path, by `PUT` within two hours.
    pub async fn sign_upload(&self, bucket: &str, path: &str) -> Result<String, StorageError> {
        #[derive(Deserialize)]
        struct Signed {
            url: String,
        }
        let request = self.request(Method::POST, &["object", "upload", "sign", bucket], path);
        let answer = accepted(request.json(&json!({}))).await?;
        let signed: Signed = answer
            .json()
            .await
            .map_err(|_| StorageError::Refused(Source::new("the answer does not have the expected shape")))?;
        let base = self.project.as_str().trim_end_matches('/');
        Ok(format!("{base}/storage/v1{}", signed.url))
    }

    /// Removes files. Missing files are not an error.
    pub async fn remove(&self, bucket: &str, paths: &[&str]) -> Result<(), StorageError> {
        let url = crate::endpoint(self.project, &["storage", "v1", "object", bucket]);
        let request = self.authorized(self.http.request(Method::DELETE, url));
        accepted(request.json(&json!({ "prefixes": paths })))
            .await
            .map(drop)
    }

    fn request(&self, method: Method, place: &[&str], path: &str) -> RequestBuilder {
        let mut segments = vec!["storage", "v1"];
        segments.extend(place);
        segments.extend(path.split('/'));
        let url = crate::endpoint(self.project, &segments);
        self.authorized(self.http.request(method, url))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.header(API_KEY, self.key.header.clone());
        match &self.key.bearer {
            Some(bearer) => request.header(AUTHORIZATION, bearer.clone()),
            None => request,
        }
    }
}

async fn accepted(request: RequestBuilder) -> Result<Response, StorageError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        #[serde(rename = "statusCode")]
        status_code: serde_json::Value,
        error: Option<String>,
    }
    let unavailable = |error: &reqwest::Error| StorageError::Unavailable(Source::of(error));
    let response = request.send().await.map_err(|error| unavailable(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.map_err(|error| unavailable(&error))?;
    let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
    // Storage answers 400 for a missing file, with 404 in the body.
    let not_found =
        status == StatusCode::NOT_FOUND || refusal.status_code == "404" || refusal.status_code == 404;
    // The message is left out, because it quotes paths.
    let source = Source::new(format!(
        "HTTP {} {}",
        status.as_u16(),
        refusal.error.unwrap_or_default()
    ));
    Err(match status {
        _ if not_found => StorageError::NotFound,
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            StorageError::Unavailable(source)
        }
        _ => StorageError::Refused(source),
    })
}
