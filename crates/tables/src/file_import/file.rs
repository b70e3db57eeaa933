//! Files on their way: where they lie in Storage.

use bytes::{Bytes, BytesMut};
use supabase::{NewObject, StorageError};
use uuid::Uuid;

use crm_core::app::App;

/// The longest file that is read.
pub(super) const MAX_FILE: usize = 10 * 1024 * 1024;
const BUCKET: &str = "imports";

/// A file did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// Storage has no such file.
    #[error("there is no such file")]
    Missing,
    /// The file is longer than we read.
    #[error("the file is longer than is read")]
    TooLarge,
    /// Storage did not answer.
    #[error("{0}")]
    Unavailable(String),
}

/// A new place for a file of a tenant.
pub(super) fn new_path(tenant: Uuid) -> String {
    format!("{tenant}/{}", Uuid::new_v4())
}

/// Whether a path is one that [`new_path`] gave this tenant.
pub(super) fn is_path_of(tenant: Uuid, path: &str) -> bool {
    path.split_once('/').is_some_and(|(folder, file)| {
        folder == tenant.to_string() && Uuid::parse_str(file).is_ok_and(|id| id.to_string() == file)
    })
}

/// An address to which one file can be uploaded.
pub(super) async fn sign_upload(app: &App, path: &str) -> Result<String, StorageError> {
    app.supabase().storage().sign_upload(BUCKET, path).await
}

/// Puts a file where readers find it.
pub(super) async fn store(app: &App, path: &str, bytes: Bytes) -> Result<(), StorageError> {
    let object = NewObject {
        bucket: BUCKET,
        path,
        content_type: "application/octet-stream",
        length: Some(bytes.len() as u64),
    };
    app.supabase().storage().upload(&object, bytes).await
}

/// A file.
pub(super) async fn fetch(app: &App, path: &str) -> Result<Bytes, FetchError> {
    let unavailable = |error: String| FetchError::Unavailable(error);
    let mut answer = match app.supabase().storage().download(BUCKET, path).await {
        Ok(answer) => answer,
        Err(StorageError::NotFound) => return Err(FetchError::Missing),
        Err(error) => return Err(unavailable(error.to_string())),
    };
    let mut bytes = BytesMut::new();
    while let Some(piece) = answer
        .chunk()
        .await
        .map_err(|error| unavailable(error.without_url().to_string()))?
    {
        if bytes.len() + piece.len() > MAX_FILE {
            return Err(FetchError::TooLarge);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// Forgets files. One that stays is swept up later: a failure is only logged.
pub async fn forget(app: &App, paths: &[String]) {
    if paths.is_empty() {
        return;
    }
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    if let Err(error) = app.supabase().storage().remove(BUCKET, &paths).await {
        log::warn!("{} files of imports were not removed: {error}", paths.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ones_own_are_taken() {
        let (tenant, other) = (Uuid::new_v4(), Uuid::new_v4());
        assert!(is_path_of(tenant, &new_path(tenant)));
        let own = Uuid::new_v4();
        for path in [
            new_path(other),
            format!("{tenant}"),
            format!("{tenant}/"),
            format!("{tenant}/../{other}/{own}"),
            format!("{tenant}/{own}/{own}"),
            format!("{tenant}/{}", own.simple()),
            format!("/{tenant}/{own}"),
            format!("{tenant}/{}", own.to_string().to_uppercase()),
        ] {
            assert!(!is_path_of(tenant, &path), "{path}");
        }
    }
}
