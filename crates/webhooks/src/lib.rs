//! What Meta tells us.

mod ingest;
mod openapi;
pub(crate) mod receive;
pub(crate) mod replay;
pub(crate) mod verify;

use axum::Router;
use crm_core::app::App;

pub use openapi::document as openapi_document;
pub use replay::router as replay;

/// `/api/whatsapp/webhook`.
pub fn webhook() -> Router<App> {
    verify::router().merge(receive::router())
}
