//! Access: tenants, people, roles, API keys, modules, and the audit log.

pub mod agents;
pub mod api_keys;
pub mod audit;
pub mod modules;
pub mod rbac;
pub mod tenancy;
