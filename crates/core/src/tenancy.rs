//! Tenants and their people.

mod business_hours;
pub(crate) mod me;
pub(crate) mod sign_up;
pub(crate) mod tenant;

use axum::Router;

use crate::app::App;

pub(crate) use business_hours::BusinessHours;
pub use me::router as me;

/// `/api/tenant`.
pub fn tenant() -> Router<App> {
    tenant::router().merge(sign_up::router())
}
