//! Static files, which come before every function.

use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::error_body::ErrorBody;

/// The folder of the static files.
#[derive(Debug)]
pub(crate) struct StaticFiles {
    folder: PathBuf,
}

impl StaticFiles {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The file of a path; a folder is served by its `index.html`.
    pub(crate) async fn find(&self, path: &str) -> Option<PathBuf> {
        let decoded = percent_encoding::percent_decode_str(path.trim_start_matches('/'))
            .decode_utf8()
            .ok()?;
        if decoded.contains(['\0', '\\']) {
            return None;
        }
        let relative = Path::new(decoded.as_ref());
        if !relative
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return None;
        }
        let file = self.folder.join(relative);
        let metadata = tokio::fs::metadata(&file).await.ok()?;
        if metadata.is_file() {
            return (!decoded.ends_with('/')).then_some(file);
        }
        let index = file.join("index.html");
        tokio::fs::metadata(&index)
            .await
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map(|_| index)
    }

    /// The answer with a file that [`StaticFiles::find`] gave.
    pub(crate) async fn serve(&self, file: &Path, method: &Method, headers: &HeaderMap) -> Response {
        if method != Method::GET && method != Method::HEAD {
            let refusal = ErrorBody::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this is a static file: only GET and HEAD are possible",
            );
            return ([(header::ALLOW, "GET, HEAD")], refusal).into_response();
        }
        let read = async {
            let tag = entity_tag(&tokio::fs::metadata(file).await?);
            std::io::Result::Ok((tokio::fs::read(file).await?, tag))
        };
        let Ok((bytes, tag)) = read.await else {
            return ErrorBody::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
                .into_response();
        };
        let mut response = Response::new(Body::empty());
        let fresh = headers
            .get(header::IF_NONE_MATCH)
            .is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let length = HeaderValue::from(bytes.len());
        if fresh {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else if method == Method::GET {
            *response.body_mut() = Body::from(bytes);
        }
        let out = response.headers_mut();
        if !fresh {
            out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(file)));
            out.insert(header::CONTENT_LENGTH, length);
        }
        out.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=0, must-revalidate"),
        );
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            out.insert(header::ETAG, tag);
        }
        response
    }
}

fn entity_tag(metadata: &std::fs::Metadata) -> String {
    let changed = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!(
        "\"{:x}-{:x}\"",
        metadata.len(),
        changed.unwrap_or_default().as_nanos()
    )
}

fn content_type(file: &Path) -> &'static str {
    match file
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
    {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "application/javascript; charset=utf-8",
        "json" | "map" => "application/json; charset=utf-8",
        "webmanifest" => "application/manifest+json; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn site() -> (tempfile::TempDir, StaticFiles) {
        let folder = tempfile::tempdir().unwrap();
        let public = folder.path().join("public");
        std::fs::create_dir_all(public.join("assets")).unwrap();
        std::fs::write(public.join("index.html"), "home").unwrap();
        std::fs::write(public.join("assets/a b.js"), "code").unwrap();
        std::fs::write(folder.path().join("secret.txt"), "secret").unwrap();
        (folder, StaticFiles::new(public))
    }

    #[tokio::test]
    async fn files_and_folders_with_an_index_are_found() {
        let (_folder, files) = site().await;
        assert!(files.find("/").await.unwrap().ends_with("public/index.html"));
        assert!(files.find("/assets/a%20b.js").await.unwrap().ends_with("a b.js"));
        assert!(files.find("/assets").await.is_none());
        assert!(files.find("/index.html/").await.is_none());
    }

    #[tokio::test]
    async fn nothing_outside_the_folder_is_found() {
        let (_folder, files) = site().await;
        for path in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/assets/..%2f..%2fsecret.txt",
            "/..\\secret.txt",
            "//etc/passwd",
        ] {
            assert!(files.find(path).await.is_none(), "{path}");
        }
    }

    #[tokio::test]
    async fn answers_have_type_length_and_tag() {
        let (_folder, files) = site().await;
        let file = files.find("/").await.unwrap();
        let response = files.serve(&file, &Method::HEAD, &HeaderMap::new()).await;
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(response.headers()["content-length"], "4");
        let mut known = HeaderMap::new();
        known.insert(header::IF_NONE_MATCH, response.headers()["etag"].clone());
        assert_eq!(
            files.serve(&file, &Method::GET, &known).await.status(),
            StatusCode::NOT_MODIFIED
        );
        let refused = files.serve(&file, &Method::POST, &HeaderMap::new()).await;
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.headers()["allow"], "GET, HEAD");
    }
}
