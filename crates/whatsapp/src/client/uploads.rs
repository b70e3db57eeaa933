//! Meta's resumable upload: how the sample of a template's header gets to Meta.

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;

use super::send_error::SendError;
use super::templates::{ask, understood};
use super::{GraphClient, SystemToken};

/// Files given to Meta through an app.
#[derive(Debug, Clone, Copy)]
pub struct UploadsClient<'a> {
    graph: &'a GraphClient,
    app_id: &'a str,
    token: &'a SystemToken,
}

impl GraphClient {
    /// Uploads through the app of this id.
    pub fn uploads<'a>(&'a self, app_id: &'a str, token: &'a SystemToken) -> UploadsClient<'a> {
        UploadsClient {
            graph: self,
            app_id,
            token,
        }
    }
}

impl UploadsClient<'_> {
    /// Uploads a file and answers with the handle that a template's `header_handle` takes. Safe to repeat: each upload has
    /// a handle of its own.
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
        let session = ask(&self.token.bearer, self.graph.http.post(url)).await?;
        let session: Session = understood(&session)?;

        // The id may carry a query of its own (`upload:...?sig=...`), which has to stay one.
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
        let uploaded: Uploaded = understood(&ask(&self.oauth(), request).await?)?;
        Ok(uploaded.h)
    }

    /// This one call takes the token in another scheme.
    fn oauth(&self) -> HeaderValue {
        let token = self.token.bearer.to_str().unwrap_or_default();
        let token = token.strip_prefix("Bearer ").unwrap_or_default();
        let mut oauth =
            HeaderValue::from_str(&format!("OAuth {token}")).unwrap_or_else(|_| self.token.bearer.clone());
        oauth.set_sensitive(true);
        oauth
    }
}
