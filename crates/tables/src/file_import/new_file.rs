//! A file that a request brings, before its import.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::file::{self, FetchError};
use super::{FileImport, inspection, reading};
use crate::table_file::Row;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Caller;
use crm_core::error::ApiError;
use crm_core::text::Text;

/// The largest body of a request with a file, which is the limit of Vercel.
pub const MAX_BODY: usize = 4_500_000;
/// How long a file is read after the answer. The limit of the function in `vercel.json` leaves time to finish the
/// current batch, and cron continues.
const READING_TIME: Duration = Duration::from_secs(40);
const MAX_FILE_NAME: usize = 200;

/// A file that a request brings. It is inspected and stored before its import begins, and read after the answer.
pub struct NewFile {
    bytes: Bytes,
    path: String,
    /// The field of the request that holds the file.
    field: &'static str,
    is_stored: bool,
}

impl NewFile {
    /// A file in the body of a request.
    pub fn in_request(caller: &Caller, bytes: Bytes) -> Self {
        Self {
            bytes,
            path: file::new_path(caller.access.tenant.id),
            field: "file",
            is_stored: false,
        }
    }

    /// A file that was uploaded to one of our addresses. A file of another tenant is reported as missing.
    pub async fn uploaded(app: &App, caller: &Caller, path: String) -> Result<Self, ApiError> {
        let field = "storage_path";
        let missing = || {
            let problem = Text::new("there is no such file", "tidak ada berkas seperti itu");
            ApiError::field(field, problem)
        };
        if !file::is_path_of(caller.access.tenant.id, &path) {
            return Err(missing());
        }
        let bytes = file::fetch(app, &path).await.map_err(|error| match error {
            FetchError::Missing => missing(),
            FetchError::TooLarge => ApiError::field(field, inspection::too_long()),
            FetchError::Unavailable(source) => ApiError::unavailable(source),
        })?;
        Ok(Self {
            bytes,
            path,
            field,
            is_stored: true,
        })
    }

    /// The path in Storage where the file is or will be.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Inspects the file: see [`inspection::inspect`].
    pub async fn inspect<T: Send + 'static>(
        &self,
        columns: impl FnOnce(&Row) -> Result<(T, bool), Text> + Send + 'static,
    ) -> Result<(T, usize), ApiError> {
        inspection::inspect(self.bytes.clone(), self.field, columns).await
    }

    /// Stores the file for the readers, if it is not stored yet.
    pub async fn store(&self, app: &App) -> Result<(), ApiError> {
        if self.is_stored {
            return Ok(());
        }
        let stored = file::store(app, &self.path, self.bytes.clone()).await;
        stored.map_err(|error| ApiError::unavailable(error.to_string()))
    }

    /// Reads the file into the import `id` after the answer. The returned receiver ends when the reading ends.
    pub fn read_behind_answer<I: FileImport>(
        self,
        app: &App,
        background: &Background,
        id: Uuid,
    ) -> oneshot::Receiver<()> {
        let app = app.clone();
        let (until_read, ended) = oneshot::channel();
        background.run(async move {
            let deadline = Instant::now() + READING_TIME;
            if let Err(error) = reading::run::<I>(&app, Some(id), Some(self.bytes), deadline).await {
                log::warn!("the import {id} continues later: {}", error.source_text());
            }
            drop(until_read);
        });
        ended
    }
}

/// The name of a file in the form in which it is stored.
pub fn kept_name(name: &str) -> String {
    name.chars()
        .filter(|character| !character.is_control())
        .take(MAX_FILE_NAME)
        .collect()
}
