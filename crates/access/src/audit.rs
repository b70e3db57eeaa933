//! The audit log.

pub(crate) mod audit_log_list;
mod export;

pub use audit_log_list::router as audit_logs;
