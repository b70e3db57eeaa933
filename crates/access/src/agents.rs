//! The people of a tenant.

pub(crate) mod agent;
mod agent_details;
pub(crate) mod agent_list;
pub(crate) mod invitation;

use axum::Router;

use crm_core::app::App;

pub use agent::router as agent;

/// `/api/agents`.
pub fn agents() -> Router<App> {
    agent_list::router().merge(invitation::router())
}
