//! `GET /api/cron/imports`: continues imports whose reader died or ran out of time. Vercel Cron calls it every minute.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use contacts::ContactImport;
use crm_core::app::App;
use crm_core::contract::Routes;
use crm_core::cron_secret::CronCaller;
use crm_core::error::ApiError;
use crm_core::routes;
use recipient_lists::ListImport;
use tables::file_import::{self, Ending, FileImport};

/// How long a run reads files. The limit of the function in `vercel.json` leaves time to finish the current batch.
const READING_TIME: Duration = Duration::from_secs(45);

/// The result of a run.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ImportReport {
    /// The number of imports that ended.
    finished: u32,
    /// The number of imports that the next run continues.
    to_be_continued: u32,
}

/// `/api/cron/imports`.
pub fn router() -> Routes {
    Routes::new()
        .routes(routes!(continue_imports_by_cron))
        .route("/api/cron/imports", axum::routing::post(continue_imports_by_cron))
}

/// Continue the imports.
///
/// The run continues every import that no function is reading, and deletes uploaded files that no import will read. It
/// is safe to call at any time and several times at once. `POST` does the same.
#[utoipa::path(get, path = "/api/cron/imports", tag = "cron", responses((status = 200, body = ImportReport)))]
pub(crate) async fn continue_imports_by_cron(
    _scheduler: CronCaller,
    State(app): State<App>,
) -> Result<Json<ImportReport>, ApiError> {
    Ok(Json(continue_imports(&app).await?))
}

/// Continues imports for as long as one run may take.
pub(crate) async fn continue_imports(app: &App) -> Result<ImportReport, ApiError> {
    let deadline = Instant::now() + READING_TIME;
    let mut report = ImportReport::default();
    continue_kind::<ListImport>(app, deadline, &mut report).await?;
    continue_kind::<ContactImport>(app, deadline, &mut report).await?;
    let stale = file_import::stale_files(app.supabase()).await?;
    file_import::forget(app, &stale).await;
    Ok(report)
}

async fn continue_kind<I: FileImport>(
    app: &App,
    deadline: Instant,
    report: &mut ImportReport,
) -> Result<(), ApiError> {
    while Instant::now() < deadline {
        match file_import::run::<I>(app, None, None, deadline).await? {
            None => break,
            Some(Ending::Finished) => report.finished += 1,
            Some(Ending::Lost) => {}
            // The cause would stop it again at once. The next run tries again.
            Some(Ending::ToBeContinued) => {
                report.to_be_continued += 1;
                break;
            }
        }
    }
    Ok(())
}
