//! Files of imports in Storage.

use bytes::{Bytes, BytesMut};
use supabase::{NewObject, StorageError};
use uuid::Uuid;

use crm_core::app::App;

/// The size of the largest file that is read.
pub(super) const MAX_FILE: usize = 10 * 1024 * 1024;
const BUCKET: &str = "imports";

/// The reason why a file could not be read from Storage.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// Storage has no such file.
    #[error("there is no such file")]
    Missing,
    /// The file is larger than the limit.
    #[error("the file is longer than is read")]
    TooLarge,
    /// Storage did not answer.
    #[error("{0}")]
    Unavailable(String),
}

/// A new path for a file of a tenant.
pub(super) fn new_path(tenant: Uuid) -> String {
    format!("{tenant}/{}", Uuid::new_v4())
}

/// Whether [`new_path`] made this path for this tenant.
pub(super) fn is_path_of(tenant: Uuid, path: &str) -> bool {
    path.split_once('/').is_some_and(|(folder, file)| {
        folder == tenant.to_string() && Uuid::parse_str(file).is_ok_and(|id| id.to_string() == file)
    })
}

/// An address to which one file can be uploaded.
pub(super) async fn sign_upload(app: &App, path: &str) -> Result<String, StorageError> {
    app.supabase().storage().sign_upload(BUCKET, path).await
}

/// Stores a file for the readers.
pub(super) async fn store(app: &App, path: &str, bytes: Bytes) -> Result<(), StorageError> {
    let object = NewObject {
        bucket: BUCKET,
        path,
        content_type: "application/octet-stream",
        length: Some(bytes.len() as u64),
    };
    app.supabase().storage().upload(&object, bytes).await
}

/// Reads a file.
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

/// Deletes files. If that fails, it is logged, and a later run deletes them.
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
    fn only_paths_of_the_own_tenant_are_accepted() {
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
