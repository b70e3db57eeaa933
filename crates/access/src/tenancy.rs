//! Tenants and their people.

mod leave;
pub(crate) mod me;
pub(crate) mod person;
pub(crate) mod sign_up;
pub(crate) mod tenant;

use crm_core::contract::Routes;

pub use leave::router as leave;
pub use me::router as me;

/// `/api/tenant`.
pub fn tenant() -> Routes {
    tenant::router().merge(sign_up::router())
}
