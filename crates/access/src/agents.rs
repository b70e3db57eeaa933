//! The people of a tenant.

pub(crate) mod agent;
mod agent_details;
pub(crate) mod agent_list;
pub(crate) mod invitation;

use crm_core::contract::Routes;

pub use agent::router as agent;

/// `/api/agents`.
pub fn agents() -> Routes {
    agent_list::router().merge(invitation::router())
}
