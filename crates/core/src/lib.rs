//! The shared core of the WhatsApp CRM: domain modules with their routers, and what a request needs around them.
//!
//! Knows nothing of the platform it runs on. `crates/function` serves a router of this crate as a Vercel
//! function; [`router`] is all of them at once.

mod app;
mod background;
pub mod broadcasts;
mod caller;
mod config;
mod cron_secret;
mod database_error;
mod error;
pub mod health;
mod http_client;
pub mod inbox;
mod json_body;
mod openapi;
mod outcome;
mod paging;
mod path_id;
mod permissions;
mod redis;
mod shell;
pub mod tenancy;
mod text;
pub mod webhooks;

pub use app::App;
pub use background::Background;
pub use config::{Config, ConfigError};
pub use error::ApiError;
pub use openapi::document as openapi_document;
pub use shell::shell;

use axum::Router;

/// Every route of the product in one router.
pub fn router() -> Router<App> {
    Router::new()
        .merge(broadcasts::campaigns())
        .merge(broadcasts::campaign())
        .merge(broadcasts::process())
        .merge(health::service())
        .merge(health::workers())
        .merge(inbox::conversations())
        .merge(inbox::conversation())
        .merge(inbox::messages())
        .merge(openapi())
        .merge(tenancy::me())
        .merge(webhooks::webhook())
}

/// `/api/openapi.json`.
pub fn openapi() -> Router<App> {
    openapi::router()
}

/// Answers every path with 404: where the platform sends what matches no route.
pub fn not_found() -> Router<App> {
    Router::new()
}
