//! The people of a tenant, and invitations.

pub(crate) mod agent;
mod agent_details;
pub(crate) mod agent_list;
pub(crate) mod invitations;

use crm_core::contract::Routes;

pub use agent::router as agent;
pub use invitations::accept::router as accept_invitation;
pub use invitations::invitation::router as invitation;
pub use invitations::invitation_list::router as invitations;
pub use invitations::resend::router as resend_invitation;

/// `/api/agents`.
pub fn agents() -> Routes {
    agent_list::router().merge(invitations::invite::router())
}
