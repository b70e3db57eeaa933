//! The whole product: every router in one, the OpenAPI document, and what concerns several features at once.

pub mod health;
pub mod housekeeping;
mod imports;
mod openapi;
mod process_broadcasts;
pub mod routes;

// The list of routes names every router as a function file names it.
extern crate self as crm;

use axum::Router;
use crm_core::App;

pub use imports::router as imports;
pub use openapi::document as openapi_document;
pub use openapi::router as openapi;
pub use process_broadcasts::router as process_broadcasts;

/// Every route of the product in one router.
pub fn router() -> Router<App> {
    routes::routers()
        .into_iter()
        .fold(Router::new(), |all, (_, router)| all.merge(router))
}
