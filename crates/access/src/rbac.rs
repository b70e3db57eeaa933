//! Roles, permissions, and the roles of people.

pub(crate) mod permission_list;
pub(crate) mod role;
mod role_details;
pub(crate) mod roles;
pub(crate) mod templates;
pub(crate) mod user;

pub use permission_list::router as permissions;
pub use role::router as role;
pub use roles::router as roles;
pub use templates::router as templates;
pub use user::router as user;
