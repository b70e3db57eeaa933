//! Meta's resumable upload, which takes the sample file of a template's header.

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;

use super::send_error::SendError;
use super::templates::{parse_answer, send};
use super::{GraphClient, SystemToken};

/// A client for uploads through an app.
#[derive(Debug, Clone, Copy)]
pub struct UploadsClient<'a> {
    graph: &'a GraphClient,
    app_id: &'a str,
    token: &'a SystemToken,
}

impl GraphClient {
    /// Uploads through the app with this id.
    pub fn uploads<'a>(&'a self, app_id: &'a str, token: &'a SystemToken) -> UploadsClient<'a> {
        UploadsClient {
            graph: self,
            app_id,
            token,
        }
    }
}

impl UploadsClient<'_> {
    /// Uploads a file and returns the handle for a template's `header_handle`. Safe to repeat: each upload
    /// has a handle of its own.
    pub async fn upload(
        &self,
        file_name: &str,
        mime_type: &'static str,
        bytes: Vec<u8>,
    ) -> Result<String, SendError> {
        #[derive(Deserialize)]
        struct Session {
            id: String,
        }
        #[derive(Deserialize)]
        struct Uploaded {
            h: String,
        }

        let mut url = self.graph.url(&[self.app_id, "uploads"]);
        url.query_pairs_mut()
            .append_pair("file_name", file_name)
            .append_pair("file_length", &bytes.len().to_string())
            .append_pair("file_type", mime_type);
        let session = send(&self.token.bearer, self.graph.http.post(url)).await?;
        let session: Session = parse_answer(&session)?;

        // The id may contain a query (`upload:...?sig=...`), which must remain a query.
        let mut url = self.graph.base.clone();
        let (path, query) = match session.id.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (session.id.as_str(), None),
        };
        url.set_path(&format!("{}/{path}", url.path()));
        url.set_query(query);
        let request = self
            .graph
            .http
            .post(url)
            .header("file_offset", "0")
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .body(bytes);
        let uploaded: Uploaded = parse_answer(&send(&self.oauth(), request).await?)?;
        Ok(uploaded.h)
    }

    /// The authorization header of the upload call. It is the only call that uses the `OAuth` scheme.
    fn oauth(&self) -> HeaderValue {
        let token = self.token.bearer.to_str().unwrap_or_default();
        let token = token.strip_prefix("Bearer ").unwrap_or_default();
        let mut oauth =
            HeaderValue::from_str(&format!("OAuth {token}")).unwrap_or_else(|_| self.token.bearer.clone());
        oauth.set_sensitive(true);
        oauth
    }
}
