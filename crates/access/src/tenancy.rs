//! Tenants and their people.

pub(crate) mod me;
pub(crate) mod sign_up;
pub(crate) mod tenant;

use axum::Router;

use crm_core::app::App;

pub use me::router as me;

/// `/api/tenant`.
pub fn tenant() -> Router<App> {
    tenant::router().merge(sign_up::router())
}
