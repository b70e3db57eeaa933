//! Reads a file row by row and records it batch by batch.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use supabase::DatabaseError;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::FileImport;
use super::file::{self, FetchError};
use super::queue::{Batch, Import, ImportQueue};
use crate::table_file::{TableFile, TableFileError};
use crm_core::app::App;

/// The number of rows of one batch. Its transaction takes tenths of a second.
const BATCH_ROWS: usize = 2000;
/// The number of batches that are read ahead of the database.
const READ_AHEAD: usize = 1;
/// The number of attempts of a call while the database is unavailable, and the pause between them.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// The way in which reading an import ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// The file has been read, or its import has failed; the import says which.
    Finished,
    /// There is more to read: the next reader continues.
    ToBeContinued,
    /// Another reader holds the import now, or it was deleted.
    Lost,
}

/// The reason why reading stopped before the end of a file.
enum Stop {
    Database(DatabaseError),
    Lost,
    OutOfTime,
}

/// Reads the file of the import `id`, or of the import that has waited longest, until `deadline`. With `bytes` the file
/// is not fetched again. None when no import waits.
pub async fn run<I: FileImport>(
    app: &App,
    id: Option<Uuid>,
    bytes: Option<Bytes>,
    deadline: Instant,
) -> Result<Option<Ending>, DatabaseError> {
    let queue = ImportQueue::new(app.supabase().clone(), I::FUNCTIONS);
    let Some(import) = queue.claim(id).await? else {
        return Ok(None);
    };
    let bytes = match bytes {
        Some(bytes) => Ok(bytes),
        None => file::fetch(app, &import.file_path).await,
    };
    let read = match bytes {
        Ok(bytes) => read_file::<I>(&queue, &import, bytes, deadline).await,
        Err(FetchError::Missing) => Ok(Err(TableFileError::Empty)),
        Err(FetchError::TooLarge) => Ok(Err(TableFileError::TooLarge)),
        Err(FetchError::Unavailable(problem)) => {
            log::warn!("the file of import {} cannot be fetched: {problem}", import.id);
            Err(Stop::OutOfTime)
        }
    };
    match read {
        Ok(Ok(())) => finish(app, &queue, &import, None).await.map(Some),
        Ok(Err(problem)) => {
            log::warn!("the file of import {} cannot be read: {problem}", import.id);
            finish(app, &queue, &import, Some("file_unreadable"))
                .await
                .map(Some)
        }
        Err(Stop::Lost) => Ok(Some(Ending::Lost)),
        Err(Stop::OutOfTime) => {
            queue.release(import.id).await?;
            Ok(Some(Ending::ToBeContinued))
        }
        Err(Stop::Database(error)) => {
            // Without a release the claim counts as that of a reader that died. A refusal of the database would repeat
            // itself and shall count, an absence shall not.
            if matches!(error, DatabaseError::Retryable(_) | DatabaseError::Unavailable(_)) {
                drop(queue.release(import.id).await);
            }
            Err(error)
        }
    }
}

async fn finish(
    app: &App,
    queue: &ImportQueue,
    import: &Import,
    failure: Option<&str>,
) -> Result<Ending, DatabaseError> {
    let file = patiently(|| queue.finish(import.id, failure)).await?;
    file::forget(app, file.as_slice()).await;
    Ok(Ending::Finished)
}

/// Records all rows after the last recorded one.
async fn read_file<I: FileImport>(
    queue: &ImportQueue,
    import: &Import,
    bytes: Bytes,
    deadline: Instant,
) -> Result<Result<(), TableFileError>, Stop> {
    let (sender, mut batches) = mpsc::channel(READ_AHEAD);
    let reading = import.clone();
    let reader = spawn_blocking(move || send_batches::<I>(bytes, &reading, &sender));
    let mut done_line = import.done_line;
    while let Some(batch) = batches.recv().await {
        if Instant::now() >= deadline {
            return Err(Stop::OutOfTime);
        }
        match patiently(|| queue.record(import.id, done_line, &batch)).await {
            Ok(true) => done_line = batch.through_line,
            Ok(false) => return Err(Stop::Lost),
            Err(error) => return Err(Stop::Database(error)),
        }
    }
    Ok(reader.await.unwrap_or(Err(TableFileError::Damaged)))
}

/// Reads the rows after the last recorded one into batches. Ends early when the receiver is gone.
fn send_batches<I: FileImport>(
    bytes: Bytes,
    import: &Import,
    batches: &mpsc::Sender<Batch<I::Entry>>,
) -> Result<(), TableFileError> {
    let table = TableFile::open(bytes)?;
    let first = table.first_row()?;
    let (columns, header) = I::columns(&first, import).ok_or(TableFileError::Empty)?;
    let done_line = import.done_line.max(header);
    let mut batch = Batch::default();
    table.read(|row| {
        if row.line <= done_line {
            return ControlFlow::Continue(());
        }
        batch.through_line = row.line;
        batch.rows += 1;
        match I::read(&columns, &row, import) {
            Ok(entry) => batch.entries.push(entry),
            Err(problems) => batch.problems.extend(problems),
        }
        if batch.rows < BATCH_ROWS || batches.blocking_send(std::mem::take(&mut batch)).is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    if batch.rows > 0 {
        // The receiver is gone when the reader has stopped: another reader reads the batch again.
        drop(batches.blocking_send(batch));
    }
    Ok(())
}

/// Repeats a call while the database is unavailable. The call must be safe to repeat.
async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, DatabaseError>
where
    F: Future<Output = Result<T, DatabaseError>>,
{
    let mut attempt = 1;
    loop {
        match call().await {
            Err(DatabaseError::Retryable(_) | DatabaseError::Unavailable(_)) if attempt < ATTEMPTS => {
                sleep(PAUSE * attempt).await;
                attempt += 1;
            }
            answer => return answer,
        }
    }
}
