//! What Meta tells us.

mod ingest;
pub(crate) mod receive;
pub(crate) mod verify;

use axum::Router;

use crate::app::App;

/// `/api/whatsapp/webhook`.
pub fn webhook() -> Router<App> {
    verify::router().merge(receive::router())
}
