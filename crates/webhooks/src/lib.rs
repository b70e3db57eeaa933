//! Webhooks from Meta: receiving, storing and replaying deliveries.

mod ingest;
pub(crate) mod receive;
pub(crate) mod replay;
pub(crate) mod verify;

use crm_core::contract::Routes;

pub use replay::router as replay;

/// `/api/whatsapp/webhook`.
pub fn webhook() -> Routes {
    verify::router().merge(receive::router())
}
