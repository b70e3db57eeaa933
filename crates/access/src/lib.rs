//! Who works here and what they may do: tenants, people, roles, API keys, modules, and the audit log.

pub mod agents;
pub mod api_keys;
pub mod audit;
pub mod modules;
mod openapi;
pub mod rbac;
pub mod tenancy;

use axum::Router;
use crm_core::app::App;

pub use openapi::document as openapi_document;

/// Every route of this crate.
pub fn router() -> Router<App> {
    Router::new()
        .merge(agents::agents())
        .merge(agents::agent())
        .merge(api_keys::api_keys())
        .merge(api_keys::api_key())
        .merge(audit::audit_logs())
        .merge(modules::modules())
        .merge(modules::module())
        .merge(rbac::permissions())
        .merge(rbac::role())
        .merge(rbac::roles())
        .merge(rbac::templates())
        .merge(rbac::user())
        .merge(tenancy::me())
        .merge(tenancy::tenant())
}
