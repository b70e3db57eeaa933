//! What Meta tells us.

mod ingest;
pub(crate) mod receive;
pub(crate) mod replay;
pub(crate) mod verify;

use axum::Router;

use crate::app::App;

pub use replay::router as replay;

/// `/api/whatsapp/webhook`.
pub fn webhook() -> Router<App> {
    verify::router().merge(receive::router())
}
