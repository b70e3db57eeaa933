//! Invitations. A person joins an organisation by accepting one that was mailed to them.

pub(crate) mod accept;
pub(crate) mod invitation;
mod invitation_details;
pub(crate) mod invitation_list;
mod invitation_mail;
pub(crate) mod invite;
pub(crate) mod resend;
