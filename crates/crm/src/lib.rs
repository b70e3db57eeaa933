//! The whole product: every router in one, the OpenAPI document, and what concerns several features at once.

pub mod health;
pub mod housekeeping;
mod imports;
mod openapi;
mod process_broadcasts;

use axum::Router;
use crm_core::App;

pub use imports::router as imports;
pub use openapi::document as openapi_document;
pub use openapi::router as openapi;
pub use process_broadcasts::router as process_broadcasts;

/// Every route of the product in one router.
pub fn router() -> Router<App> {
    Router::new()
        .merge(access::router())
        .merge(automations::router())
        .merge(broadcasts::router())
        .merge(contacts::router())
        .merge(inbox::router())
        .merge(media::router())
        .merge(numbers::router())
        .merge(recipient_lists::router())
        .merge(templates::router())
        .merge(webhooks::router())
        .merge(health::service())
        .merge(health::workers())
        .merge(housekeeping::housekeeping())
        .merge(imports())
        .merge(openapi())
        .merge(process_broadcasts())
}
