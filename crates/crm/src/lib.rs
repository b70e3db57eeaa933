//! The whole product: every router in one, the OpenAPI document, and operations that concern several features.

pub mod health;
pub mod housekeeping;
mod imports;
mod openapi;
mod process_broadcasts;
pub mod routes;

// The list of routes names every router by its crate, as the function files do.
extern crate self as crm;

use axum::Router;
use crm_core::App;
use crm_core::contract::Routes;

pub use imports::router as imports;
pub use openapi::router as openapi;
pub use process_broadcasts::router as process_broadcasts;

/// Every route of the product in one router.
pub fn router() -> Router<App> {
    all_routes().into()
}

/// The OpenAPI document of the whole API.
pub fn openapi_document() -> serde_json::Value {
    openapi::complete(&all_routes().into_openapi())
}

fn all_routes() -> Routes {
    routes::routers()
        .into_iter()
        .fold(Routes::new(), |all, (_, routes)| all.merge(routes))
}
